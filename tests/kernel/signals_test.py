"""Signals, whoever sends them and whatever they interrupt. The cases are in signals.c."""

import kernel_tier
import sandstone_test


@kernel_tier.cases_of("signals")
class Signals(kernel_tier.CompiledTestCase):
    pass


if __name__ == "__main__":
    sandstone_test.main()
