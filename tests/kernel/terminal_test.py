#!/usr/bin/env python3
"""The tier kernel's terminal is one of the library kernel's own: job control, sizes, and the caller's put back."""

import fcntl
import hashlib
import os
import pty
import select
import signal
import struct
import termios
import time

import sandstone_test


class Session:
    """`sandstone run -it` in a terminal, of which all that has come is kept in `seen`."""

    def __init__(self, test, *cmd, options=(), size=(24, 80)):
        self.test, self.seen = test, ""
        self.controller, self.terminal = pty.openpty()
        test.addCleanup(os.close, self.controller)
        test.addCleanup(os.close, self.terminal)
        self.resize(*size)
        self.before = termios.tcgetattr(self.terminal)
        self.child = test.start(
            "run", "--tier", "kernel", "-it", *options, "--", *cmd,
            stdin=self.terminal, stdout=self.terminal, stderr=self.terminal,
        )

    def resize(self, rows, columns):
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def type(self, text):
        self.seen = ""
        os.write(self.controller, text.encode())

    def expect(self, text, seconds=20):
        end = time.monotonic() + seconds * sandstone_test.PATIENCE
        while text not in self.seen:
            if time.monotonic() > end:
                self.test.fail(f"never came: {text!r} in {self.seen!r}")
            if select.select([self.controller], [], [], 0.1)[0]:
                self.seen += os.read(self.controller, 65536).decode("utf-8", "replace")

    def end(self):
        return self.child.wait(20 * sandstone_test.PATIENCE)


class Terminal(sandstone_test.TestCase):
    def test_it_is_the_library_kernels(self):
        session = Session(self, "sh", "-c", "tty; test -t 0 && test -t 1 && test -t 2 && echo all; ls /dev/pts; echo x >/dev/tty")
        session.expect("/dev/pts/0\r\nall\r\n0  ptmx\r\nx\r\n")
        self.assertEqual(session.end(), 0)

    def test_its_owner_is_the_user(self):
        session = Session(self, "sh", "-c", 'stat -c "%u %a" "$(tty)"; true >"$(tty)" && echo open', options=["-u", "1000"])
        session.expect("1000 620\r\nopen\r\n")
        self.assertEqual(session.end(), 0)

    def test_size_at_the_start_and_later(self):
        session = Session(self, "sh", "-c", 'stty size; trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.1; done', size=(33, 101))
        session.expect("33 101\r\nready")
        session.resize(44, 55)
        session.child.send_signal(signal.SIGWINCH)  # it is no session of ours that the kernel would tell
        session.expect("44 55\r\n")
        self.assertEqual(session.end(), 0)

    def test_settings_are_the_guests_affair(self):
        session = Session(self, "sh", "-c", "stty -echo; echo quiet; read line; echo got $line; stty echo; echo loud; read line")
        session.expect("quiet\r\n")
        session.type("secret\n")
        session.expect("got secret\r\n")
        self.assertEqual(session.seen.count("secret"), 1, session.seen)
        session.expect("loud\r\n")
        session.type("shown\n")
        session.expect("shown\r\n")
        self.assertEqual(session.end(), 0)
        self.assertEqual(termios.tcgetattr(session.terminal), session.before)

    def run_cat(self, session):
        """In a shell as the job, and until cat runs: a key that comes while the shell waits in vfork(2) stops its child alone, which
        nobody is told, by Linux neither."""
        session.type("sh -c 'cat; true'\n")
        session.expect("true'\r\n")
        session.type("up\n")
        session.expect("up\r\nup\r\n")

    def test_interrupt_ends_the_job_and_not_the_shell(self):
        session = Session(self, "bash", "--norc", "--noediting")
        session.expect("# ")
        self.run_cat(session)
        session.type("\x03")
        session.expect("# ")
        session.type("echo status $?\n")
        session.expect("status 130\r\n")
        session.type("exit 7\n")
        self.assertEqual(session.end(), 7)

    def test_stop_and_go_on(self):
        session = Session(self, "bash", "--norc", "--noediting")
        session.expect("# ")
        self.run_cat(session)
        session.type("\x1a")
        session.expect("Stopped")
        session.type("bg\n")
        for _ in range(100):  # it reads from the background, and is stopped again
            session.type("jobs -l; echo do''ne\n")
            session.expect("done\r\n")
            if "tty input" in session.seen:
                break
        session.type("fg\n")
        session.expect("true'\r\n")
        session.type("hello\n")
        session.expect("hello\r\nhello\r\n")
        session.type("\x04")
        session.expect("# ")
        session.type("\x04")
        session.expect("exit")
        self.assertEqual(session.end(), 0)

    def test_end_of_input_and_of_the_session(self):
        session = Session(self, "sh", "-c", "(trap '' HUP; sleep 1000) & echo ready; cat; exit 3")
        session.expect("ready")
        session.type("one\n\x04")
        session.expect("one\r\none\r\n")
        self.assertEqual(session.end(), 3)

    def test_much_output_arrives_whole(self):
        session = Session(self, "sh", "-c", "seq 1 20000; echo end")
        session.expect("end\r\n", 60)
        self.assertIn("\r\n19999\r\n20000\r\nend\r\n", session.seen)
        self.assertEqual(len(session.seen.split()), 20001)
        self.assertEqual(session.end(), 0)

    def test_much_input_arrives_whole(self):
        session = Session(self, "sh", "-c", "stty raw -echo; echo ready; head -c 300000 | md5sum")
        session.expect("ready")
        for _ in range(300):
            session.type("x" * 1000)
        session.expect("  -")
        self.assertIn(hashlib.md5(b"x" * 300000).hexdigest(), session.seen)
        self.assertEqual(session.end(), 0)


if __name__ == "__main__":
    sandstone_test.main()
