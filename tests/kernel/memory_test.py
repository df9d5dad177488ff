"""Mappings of files and of nothing, shared and private. The cases are in memory.c."""

import kernel_tier
import sandstone_test


@kernel_tier.cases_of("memory")
class Memory(kernel_tier.CompiledTestCase):
    pass


if __name__ == "__main__":
    sandstone_test.main()
