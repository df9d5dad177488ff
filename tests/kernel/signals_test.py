#!/usr/bin/env python3
"""What is sent to `sandstone` reaches the first guest of the tier kernel, and its end is the run's."""

import signal
import subprocess

import sandstone_test

HANDLER = r"""
import os, signal, sys, time
number = int(sys.argv[1])
def handler(got, frame):
    os.write(1, f"got {got} as {os.getpid()}\n".encode())
    os._exit(9)
signal.signal(number, handler)
os.write(1, b"ready\n")  # print() would not be done yet when the handler prints
while True: time.sleep(100)
"""


class Signals(sandstone_test.TestCase):
    def running(self, *cmd, options=()):
        child = self.start("run", "--tier", "kernel", *options, "--", *cmd, stdout=subprocess.PIPE)
        self.assertEqual(child.stdout.readline(), b"ready\n")
        return child

    def end_of(self, child):
        return child.wait(20 * sandstone_test.PATIENCE)

    def test_handlers_run(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
            with self.subTest(signal=number):
                child = self.running("python3", "-c", HANDLER, str(int(number)))
                child.send_signal(number)
                self.assertEqual(self.end_of(child), 9)
                self.assertRegex(child.stdout.read().decode(), rf"\Agot {int(number)} as \d+\n\Z")

    def test_without_a_handler_they_end_it(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            with self.subTest(signal=number):
                child = self.running("sh", "-c", "echo ready; exec sleep 1000")
                child.send_signal(number)
                self.assertEqual(self.end_of(child), 128 + number)

    def test_what_is_ignored_is_ignored(self):
        child = self.running("sh", "-c", "trap '' TERM; trap 'exit 4' USR1; echo ready; while :; do sleep 0.1; done")
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGUSR1)
        self.assertEqual(self.end_of(child), 4)

    def test_for_the_first_guest_alone(self):
        child = self.running("sh", "-c", "trap 'kill $other; exit 6' TERM; (trap 'echo wrong' TERM; trap 'exit' USR1; "
                             "while :; do sleep 0.1; done) & other=$!; echo ready; wait")
        child.send_signal(signal.SIGTERM)
        self.assertEqual(self.end_of(child), 6)

    def test_a_guest_cannot_be_stopped_short_of_its_time(self):
        child = self.running("sh", "-c", "trap '' TERM INT HUP; echo ready; while :; do sleep 0.1; done", options=["--timeout", "2s"])
        child.send_signal(signal.SIGTERM)
        self.assertEqual(self.end_of(child), 124)

    def test_the_end_of_sandstone_is_the_guests(self):
        child = self.running("sh", "-c", "echo ready; exec sleep 1000")
        child.send_signal(signal.SIGKILL)
        self.assertEqual(self.end_of(child), -signal.SIGKILL)  # what is left behind is looked for in the end


if __name__ == "__main__":
    sandstone_test.main()
