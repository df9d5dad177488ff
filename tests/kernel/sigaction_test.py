"""Signals, whoever sends them and whatever they interrupt. The cases are in sigaction.c."""

import kernel_tier
import sandstone_test


@kernel_tier.cases_of("sigaction")
class Sigaction(kernel_tier.CompiledTestCase):
    pass


if __name__ == "__main__":
    sandstone_test.main()
