"""Huge pages come below the memory of the kernel that guests share, as it is used."""

import pathlib
import re

import kernel_tier
import sandstone_test

FILL = "head -c 64M /dev/zero >/dev/shm/file; echo filled; sleep 60"


def huge(pid):
    """KiB of shared memory that the process has mapped as huge pages."""
    return int(re.search(r"ShmemPmdMapped: *(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text())[1])


class HugePages(kernel_tier.TestCase):
    def test_huge_pages_come_with_use(self):
        with open(self.dir / "out", "wb") as out:
            run = self.start("run", "--tier", "kernel", "--", "sh", "-c", "echo started; read -r line; " + FILL, stdout=out, stdin=-1)
        sandstone_test.until(lambda: (self.dir / "out").read_text(), "the guest runs")
        devices = next(pid for pid in sandstone_test.descendants() if pathlib.Path(f"/proc/{pid}/comm").read_text() == "sandstone-devs\n")
        before = huge(devices)
        if before == 0:
            self.skipTest("this host puts no huge pages below shared memory")
        run.stdin.write(b"\n")
        run.stdin.flush()
        sandstone_test.until(lambda: "filled" in (self.dir / "out").read_text(), "the guest fills its memory")
        sandstone_test.until(lambda: huge(devices) > before + 40 * 1024, "huge pages come")
        run.kill()
        run.wait()


if __name__ == "__main__":
    sandstone_test.main()
