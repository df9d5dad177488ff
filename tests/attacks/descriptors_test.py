"""What the caller left open: descriptors, standard streams, the working directory, the environment."""

import array
import os
import socket
import threading

from harness import ISOLATED, JAILED, WALLS, AttackTest, each_caller, main


class Descriptors(AttackTest):
    @each_caller
    def test_inherited_descriptor(self):
        """exec 7<secret; exec 8<folder: anything above 2 is the caller's."""
        canary = self.s.canary("outside/canary")
        fds = [os.open(canary, os.O_RDONLY), os.open(canary.parent, os.O_RDONLY)]
        try:
            self.assertWonWith(fds, self.weak("scan-descriptors", switches=["--leak-descriptors"]))
            without = [w for w in WALLS if w != "descriptors"]
            self.assertWonWith(fds, self.sandstone("scan-descriptors", walls=without))
            for tier in ISOLATED:
                self.stopped("scan-descriptors", tier=tier, pass_fds=fds)
        finally:
            for fd in fds:
                os.close(fd)

    def assertWonWith(self, fds, argv):
        self.assertWon(self.caller.run(argv, pass_fds=fds))

    @each_caller
    def test_descriptor_of_a_report(self):
        """--json FD:N keeps the caller's descriptor for Sandstone alone."""
        for tier in ISOLATED:
            with open(self.s.file("report"), "wb") as report:
                number = report.fileno()
                options = ["--json", f"FD:{number}", "--events", f"FD:{number}"]
                self.stopped("scan-descriptors", tier=tier, options=options, pass_fds=[number])

    @each_caller
    def test_working_directory_through_a_leaked_descriptor(self):
        """CVE-2024-21626: -w /proc/self/fd/N, where N leads to a folder of the host."""
        canary = self.s.canary("outside/canary")
        folder = os.open(canary.parent, os.O_RDONLY)
        try:
            place = f"/proc/self/fd/{folder}"
            self.control("cwd", switches=["--leak-descriptors", "--directory", place], pass_fds=[folder])
            for number in (folder, *range(3, 24)):
                argv = self.sandstone("cwd", options=["-w", f"/proc/self/fd/{number}"])
                result = self.caller.run(argv, pass_fds=[folder])
                self.assertIn(result.status, (0, 125), str(result))
        finally:
            os.close(folder)

    @each_caller
    def test_working_directory_of_the_caller(self):
        """A launcher that forgets to change its directory leaves the workload in a folder of the host."""
        canary = self.s.canary("outside/canary")
        self.control("cwd", switches=["--keep-directory"], cwd=canary.parent)
        for tier in ISOLATED:
            self.stopped("cwd", tier=tier, cwd=canary.parent)

    @each_caller
    def test_folder_as_standard_input(self):
        """sandstone run … < /some/folder"""
        canary = self.s.canary("outside/canary")
        folder = os.open(canary.parent, os.O_RDONLY)
        try:
            self.control("stdin-folder", stdin=folder)
            for tier in ISOLATED:
                # Refusing to start is right too: a folder is no input.
                argv = self.sandstone("stdin-folder", tier=tier)
                self.assertStopped(self.caller.run(argv, stdin=folder), (0, 125))
        finally:
            os.close(folder)

    @each_caller
    def test_folder_as_output(self):
        canary = self.s.canary("outside/canary")
        folder = os.open(canary.parent, os.O_RDONLY)
        try:
            result = self.caller.run(self.sandstone("stdin-folder"), stdin=folder, stdout=folder)
            self.assertStopped(result, (0, 125))
        finally:
            os.close(folder)

    @each_caller
    def test_read_only_input_is_reopened_for_writing(self):
        """/proc/self/fd/0 of a file that was opened O_RDONLY opens it anew, with any mode."""
        file = self.s.canary("input")
        for tier in ISOLATED:
            with open(file, "rb") as stdin:
                self.stopped("stdin-rewrite", tier=tier, stdin=stdin)
            self.assertEqual(file.read_text(), self.s.secret + "\n")
        with open(file, "rb") as stdin:
            self.control("stdin-rewrite", stdin=stdin)
        self.assertTrue(file.read_text().startswith("OVERWRITTEN"))

    @each_caller
    def test_output_file_is_read_and_truncated(self):
        file = self.s.canary("log")
        for stream in ("stdout", "stderr"):
            for tier in ISOLATED:
                number = "1" if stream == "stdout" else "2"
                with open(file, "ab") as output:
                    self.stopped("output-reopen", number, tier=tier, **{stream: output})
                self.assertTrue(file.read_text().startswith(self.s.secret))
        with open(file, "ab") as output:
            self.control("output-reopen", "1", stdout=output)

    @each_caller
    def test_socket_as_standard_stream(self):
        """A stream that is a socket could carry descriptors; a relay carries bytes only."""
        canary = self.s.canary("outside/canary")
        for build, verdict in ((self.weak, self.assertWon), (self.sandstone, self.assertStopped)):
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            folder = os.open(canary.parent, os.O_RDONLY)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [folder]))]
            ours.sendmsg([b"x"], rights)
            ours.shutdown(socket.SHUT_WR)
            with ours, theirs:
                verdict(self.caller.run(build("receive-from-stream", "0"), stdin=theirs))
            os.close(folder)

    @each_caller
    def test_environment(self):
        environment = dict(os.environ, API_TOKEN=self.s.secret)
        self.control("environment", self.s.secret, switches=["--keep-environment"], env=environment)
        without = [w for w in WALLS if w != "environment"]
        argv = self.sandstone("environment", self.s.secret, walls=without)
        self.assertWon(self.caller.run(argv, env=environment))
        for tier in ISOLATED:
            self.stopped("environment", self.s.secret, tier=tier, env=environment)


class Accomplice(threading.Thread):
    """Outside, of the caller's own id: sends a folder of the host to whoever connects."""

    def __init__(self, path, folder):
        super().__init__(daemon=True)
        self.folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(os.fspath(path))
        os.chmod(path, 0o666)
        self.server.listen()
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection:
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [self.folder]))]
                connection.sendmsg([b"x"], rights)
                connection.recv(1)

    def stop(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.join()
        os.close(self.folder)


class DescriptorPassing(AttackTest):
    @each_caller
    def test_folder_over_a_bound_socket(self):
        """SCM_RIGHTS: an accomplice outside passes a folder; beneath it nothing may open, by Landlock."""
        canary = self.s.canary("outside/canary")
        shared = self.s.folder("shared")
        accomplice = Accomplice(shared / "socket", canary.parent)
        try:
            self.control("receive-folder", "/s/socket", switches=["--bind", shared, "/s"])
            self.ablate("receive-folder", "/s/socket", missing=["landlock"], options=["--bind", shared, "/s"])
        finally:
            accomplice.stop()

    @each_caller
    def test_nothing_can_be_taken_from_other_processes(self):
        """pidfd_getfd on process 1 and everything else that is visible."""
        self.control("steal-descriptors", switches=["--init"])
        for tier in JAILED:
            self.stopped("steal-descriptors", tier=tier)


if __name__ == "__main__":
    main()
