"""Processes and threads: fork, exec, vfork, clone, wait and exit. The cases are in processes.c."""

import kernel_tier
import sandstone_test


@kernel_tier.cases_of("processes")
class Processes(kernel_tier.CompiledTestCase):
    pass


if __name__ == "__main__":
    sandstone_test.main()
