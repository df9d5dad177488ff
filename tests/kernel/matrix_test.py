#!/usr/bin/env python3
"""The programs of programs_test.py where calls come by notification, on a disk image, and both at once. Without SANDSTONE_SOAK
only those of each that tell most: what maps files shared, what is in the image alone, what is slow to answer."""

import kernel_tier
import programs_test
import sandstone_test

UNOTIFY = ("--syscall-mode", "unotify")
NOT_IN_THE_IMAGE = {"test_java", "test_a_go_program"}
CELLS = {  # (name, how calls come, whether on the image): what is always done
    ("Unotify", UNOTIFY, False): {
        "test_threads_processes_and_sockets", "test_asyncio_http_and_shared_memory", "test_sqlite_is_killed_under_load", "test_git",
        "test_java", "test_redis_is_killed_under_load", "test_bash",
    },
    ("Image", (), True): {"test_node", "test_make_in_parallel", "test_a_static_go_program", "test_sqlite_is_killed_under_load", "test_busybox"},
    ("UnotifyImage", UNOTIFY, True): {"test_node", "test_c_and_cpp", "test_perl", "test_sqlite", "test_redis_is_killed_under_load"},
}


def cell(name, options, has_image, always):
    """A class for each class of programs_test, with the tests that are to be done."""
    for group in vars(programs_test).values():
        if not (isinstance(group, type) and issubclass(group, kernel_tier.TestCase)):
            continue
        made = type(f"{name}{group.__name__}", (group,), {"OPTIONS": options, "HAS_IMAGE": has_image, "__module__": __name__})
        for test in [each for each in dir(group) if each.startswith("test_")]:
            if (has_image and test in NOT_IN_THE_IMAGE) or not (sandstone_test.SOAK or test in always):
                setattr(made, test, None)
        globals()[made.__name__] = made


for (NAME, OPTIONS, HAS_IMAGE), ALWAYS in CELLS.items():
    cell(NAME, OPTIONS, HAS_IMAGE, ALWAYS)

if __name__ == "__main__":
    sandstone_test.main()
