"""Streams: what the workload prints arrives whole and in order, and a reader who takes nothing holds up nothing."""

import os
import pty
import signal
import subprocess
import termios
import time
import tty

import sandstone_test

BOTH = "i=0; while [ $i -lt 500 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done"
IN_ORDER = "".join(f"out {i}\nerr {i}\n" for i in range(500))


class Order(sandstone_test.TestCase):
    def run_to(self, stdout, stderr):
        child = self.start("run", "--", "sh", "-c", BOTH, stdout=stdout, stderr=stderr)
        self.assertEqual(child.wait(60 * sandstone_test.PATIENCE), 0)

    def test_one_pipe_for_both_keeps_their_order(self):
        child = self.start("run", "--", "sh", "-c", BOTH, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        out, _ = child.communicate(timeout=60 * sandstone_test.PATIENCE)
        self.assertEqual(out.decode(), IN_ORDER)

    def test_one_file_for_both_keeps_their_order(self):
        with open(self.dir / "both", "wb") as both:
            self.run_to(both, both)
        self.assertEqual((self.dir / "both").read_text(), IN_ORDER)

    def test_one_file_opened_twice_is_two_streams(self):
        with open(self.dir / "both", "wb") as first, open(self.dir / "both", "ab") as second:
            self.run_to(first, second)
        # Each has its own position, as it would have without a sandbox: the second appends.
        self.assertEqual((self.dir / "both").read_text().count("err 499\n"), 1)

    def test_two_pipes_stay_apart(self):
        ended = self.sandbox("sh", "-c", BOTH)
        self.assertEqual((ended.out.count("err"), ended.err.count("out")), (0, 0), ended)


class Readers(sandstone_test.TestCase):
    """Of a pipe that is full, and of a terminal that was stopped (Ctrl-S)."""

    def setUp(self):
        super().setUp()
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.addCleanup(os.close, self.master)
        self.addCleanup(os.close, self.slave)

    def stopped(self):
        termios.tcflow(self.slave, termios.TCOOFF)
        return self.slave

    def full_pipe(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.addCleanup(os.close, write)
        return write

    def end_of(self, child):
        return child.wait(60 * sandstone_test.PATIENCE)

    def each(self, check):
        for name, output in (("terminal", self.stopped), ("pipe", self.full_pipe)):
            with self.subTest(output=name):
                check(output())
                self.assert_nothing_left()

    def test_endless_output_that_nobody_takes_ends_in_time(self):
        def check(output):
            child = self.start("run", "--timeout", "1s", "--", "yes", stdout=output, stderr=subprocess.DEVNULL)
            self.assertEqual(self.end_of(child), 124)

        self.each(check)

    def test_signals_reach_a_workload_whose_output_nobody_takes(self):
        def check(output):
            child = self.start("run", "--", "yes", stdout=output, stderr=subprocess.DEVNULL)
            time.sleep(0.5 * sandstone_test.PATIENCE)
            child.send_signal(signal.SIGTERM)
            # It has ended, and its output is still wanted; a second one says that it is not.
            time.sleep(0.5 * sandstone_test.PATIENCE)
            self.assertIsNone(child.poll())
            child.send_signal(signal.SIGTERM)
            self.assertEqual(self.end_of(child), 128 + signal.SIGTERM)

        self.each(check)

    def test_a_limit_on_output_ends_it(self):
        def check(output):
            child = self.start("run", "--output-limit", "1k", "--", "yes", stdout=output, stderr=subprocess.DEVNULL)
            self.assertEqual(self.end_of(child), 137)

        self.each(check)

    def test_the_time_counts_until_the_output_is_taken(self):
        def check(output):
            child = self.start("run", "--timeout", "2s", "--", "sh", "-c", "head -c 80000 /dev/zero", stdout=output, stderr=subprocess.DEVNULL)
            self.assertEqual(self.end_of(child), 124)

        self.each(check)

    def test_a_late_reader_gets_everything(self):
        read, write = os.pipe()
        child = self.start("run", "--", "sh", "-c", "head -c 300000 /dev/zero; exit 3", stdout=write, stderr=subprocess.DEVNULL)
        os.close(write)
        time.sleep(1)
        got = 0
        while block := os.read(read, 1 << 16):
            got += len(block)
        os.close(read)
        self.assertEqual((child.wait(60), got), (3, 300000))

    def test_a_terminal_that_goes_on_gets_everything(self):
        slave = self.stopped()
        child = self.start("run", "--", "sh", "-c", "head -c 100000 /dev/zero; exit 3", stdout=slave, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        termios.tcflow(slave, termios.TCOON)
        got = 0
        while got < 100000:
            got += len(os.read(self.master, 1 << 16))
        self.assertEqual((child.wait(60), got), (3, 100000))

    def test_a_stopped_terminal_of_its_own(self):
        slave = self.stopped()
        child = self.start("run", "-it", "--timeout", "1s", "--", "yes", stdin=slave, stdout=slave, stderr=subprocess.DEVNULL)
        self.assertEqual(self.end_of(child), 124)

    def test_a_workload_that_reads_nothing(self):
        read, write = os.pipe()
        os.set_blocking(write, False)
        with self.subTest("its input is full"):
            child = self.start("run", "-i", "--timeout", "1s", "--", "sleep", "60", stdin=read, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                while True:
                    os.write(write, b"x" * 4096)
            except BlockingIOError:
                pass
            self.assertEqual(self.end_of(child), 124)
        os.close(read)
        os.close(write)

    def test_the_callers_descriptors_stay_as_they_are(self):
        before = os.get_blocking(self.slave)
        self.sandstone("run", "--", "echo", "x", stdin="")
        child = self.start("run", "-i", "--", "echo", "x", stdin=self.slave, stdout=self.slave, stderr=self.slave)
        self.assertEqual((child.wait(60), os.get_blocking(self.slave)), (0, before))


if __name__ == "__main__":
    sandstone_test.main()
