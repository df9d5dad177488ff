"""What the host shares without a path: keyrings, System V and POSIX IPC, abstract sockets."""

import ctypes
import os
import random
import socket

from harness import ISOLATED, PYTHON, WALLS, AttackTest, each_caller, landlock_abi, main

LIBC = ctypes.CDLL(None, use_errno=True)
ADD_KEY, KEYCTL, SHMGET, SHMAT, SHMCTL, MQ_OPEN, MQ_UNLINK = 248, 250, 29, 30, 31, 240, 241

# A process of the caller's that first joins a new session keyring with a key in it, then becomes its arguments.
WITH_KEY = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
name, secret = sys.argv[1].encode(), sys.argv[2].encode()
assert libc.syscall(250, 1, None) > 0          # KEYCTL_JOIN_SESSION_KEYRING
key = libc.syscall(248, b"user", name, secret, len(secret), -3)   # add_key to the session keyring
assert key > 0, os.strerror(ctypes.get_errno())
assert libc.syscall(250, 5, key, 0x3f3f0000) == 0  # KEYCTL_SETPERM: possessor and owner may read and search
os.execv(sys.argv[3], sys.argv[3:])
"""


class Host(AttackTest):
    @each_caller
    def test_session_keyring(self):
        """Possessors of the caller's session keyring read its keys; fork and exec make a possessor."""
        name = f"sandstone-canary-{os.getpid()}"

        def with_key(argv):
            argv = [os.fspath(a) for a in argv]
            program = argv[0] if "/" in argv[0] else "/usr/bin/" + argv[0]
            return [PYTHON, "-c", WITH_KEY, name, self.s.secret, program, *argv[1:]]

        self.assertWon(self.caller.run(with_key(self.weak("keyring", name))))
        self.assertStopped(self.caller.run(with_key(self.sandstone("keyring", name))))
        without = [w for w in WALLS if w not in ("seccomp", "session")]
        self.assertWon(self.caller.run(with_key(self.sandstone("keyring", name, walls=without))))

    @each_caller
    def test_system_v_shared_memory(self):
        key = random.randrange(1 << 20, 1 << 30)
        segment = LIBC.shmget(key, 4096, 0o1666)
        self.assertGreaterEqual(segment, 0)
        try:
            LIBC.shmat.restype = ctypes.c_void_p
            address = LIBC.shmat(segment, None, 0)
            ctypes.memmove(address, self.s.secret.encode(), len(self.s.secret))
            self.control("shared-memory", str(key), switches=["--share-ipc"])
            self.ablate("shared-memory", str(key), missing=["ipc"])
            for tier in ISOLATED:
                self.stopped("shared-memory", str(key), tier=tier)
        finally:
            LIBC.shmctl(segment, 0, None)

    @each_caller
    def test_message_queue(self):
        name = f"sandstone-canary-{random.randrange(1 << 30)}"
        previous = os.umask(0)
        queue = LIBC.syscall(MQ_OPEN, name.encode(), os.O_RDWR | os.O_CREAT, 0o666, None)
        os.umask(previous)
        self.assertGreaterEqual(queue, 0, os.strerror(ctypes.get_errno()))
        try:
            self.control("message-queue", name, switches=["--share-ipc"])
            for tier in ISOLATED:
                self.stopped("message-queue", name, tier=tier)
            self.ablate("message-queue", name, missing=["ipc", "landlock"])
        finally:
            os.close(queue)
            LIBC.syscall(MQ_UNLINK, name.encode())

    @each_caller
    def test_abstract_socket(self):
        """An abstract socket has no path that a mount could hide: the network namespace hides it, and with the
        host's network Landlock does, from ABI 6 on."""
        name = f"sandstone-canary-{random.randrange(1 << 30)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(b"\0" + name.encode())
            server.listen()
            self.control("abstract-socket", name, switches=["--share-net"])
            for tier in ISOLATED:
                self.stopped("abstract-socket", name, tier=tier)
            host = ["--network", "host"]
            self.assertWon(self.caller.run(self.sandstone("abstract-socket", name, tier="ns", options=host)))
            if landlock_abi() >= 6:
                self.stopped("abstract-socket", name, options=host)
                self.stopped("abstract-socket", name, tier="landlock", options=host)


if __name__ == "__main__":
    main()
