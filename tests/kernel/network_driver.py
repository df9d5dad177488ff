#!/usr/bin/env python3
"""What tests/net/net_driver.cc is, with the library kernel: network_driver.py [--allow RULE]... [-p PORTS]... -- CMD...

The user network as the tier kernel has it. Denials go to stderr, one a line.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile

BINARY = os.environ["SANDSTONE"]
PR_SET_PDEATHSIG = 1


def main():
    with tempfile.TemporaryFile("w+") as outcome:
        ended = subprocess.run(
            [BINARY, "run", "--tier", "kernel", "--network", "user", "--json", f"FD:{outcome.fileno()}", *sys.argv[1:]],
            pass_fds=[outcome.fileno()], check=False,
            preexec_fn=lambda: ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0),
        )
        outcome.seek(0)
        for denial in json.loads(outcome.read() or "{}").get("denials", []):
            print("denied", denial["operation"], denial["subject"], f"x{denial['count']}", file=sys.stderr)
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
