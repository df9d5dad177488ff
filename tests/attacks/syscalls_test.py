"""Ways into the kernel that a filter may have forgotten, and user notification."""


from harness import KILLED_BY_FILTER, OWN_KERNEL, WALLS, WON, AttackTest, each_caller, main

X32_UNKNOWN = 43  # the call passed every filter, and this kernel has no x32 table


class OtherEntries(AttackTest):
    @each_caller
    def test_int80(self):
        """i386 numbers: mkdir is 39, which is x86-64's getpid."""
        naive = ["--filter", "naive"]
        self.assertWon(self.caller.run(self.weak("int80", "/tmp/made", switches=naive)))
        self.ablate("int80", "/tmp/made", missing=["seccomp"], statuses=(KILLED_BY_FILTER,))
        for tier in OWN_KERNEL:
            self.stopped("int80", "/tmp/made", statuses=(128 + 9,), tier=tier)

    @each_caller
    def test_x32(self):
        """Bit 30 of the number. A kernel without x32 refuses by itself, after every filter."""
        result = self.caller.run(self.weak("x32", "/tmp/made", switches=["--filter", "naive"]))
        self.assertIn(result.status, (WON, X32_UNKNOWN), str(result))
        without = [w for w in WALLS if w != "seccomp"]
        result = self.caller.run(self.sandstone("x32", "/tmp/made", walls=without))
        self.assertIn(result.status, (WON, X32_UNKNOWN), str(result))
        self.stopped("x32", "/tmp/made", statuses=(KILLED_BY_FILTER,))

    @each_caller
    def test_io_uring(self):
        """A ring carries out what a filter would refuse: here mkdir."""
        naive = ["--filter", "naive"]
        self.control("io-uring", "/tmp/made", switches=naive)
        self.ablate("io-uring", "/tmp/made", missing=["seccomp"])
        for tier in OWN_KERNEL:
            self.stopped("io-uring", "/tmp/made", tier=tier)

    @each_caller
    def test_tracer_swaps_the_call(self):
        """A tracer turns getppid into unshare between the call's entry and its execution."""
        self.control("swap-syscall")
        self.ablate("swap-syscall", missing=["seccomp"])


class Notification(AttackTest):
    @each_caller
    def test_path_is_flipped_between_check_and_use(self):
        """A supervisor that reads a path from memory and answers "continue" has checked nothing."""
        self.s.file("bin/allowed", "nothing\n")
        self.s.canary("bin/secret1")
        self.control("notify-race", "/b/allowed", "/b/secret1", switches=["--supervise", "/b/secret1"])
        self.stopped("denied-race")

    @each_caller
    def test_own_listener_answers_for_the_supervisor(self):
        """Two filters ask for a notification: the younger one's listener is heard. It may not exist."""
        self.assertStopped(self.caller.run(self.weak("own-listener", switches=["--supervise", "/nowhere"])),
                           message="while the launcher's listener lives, the kernel allows no second one")
        self.control("own-listener", switches=["--filter", "dropped-listener"])
        self.ablate("any-listener", missing=["seccomp"])
        self.stopped("own-listener")


class Clocks(AttackTest):
    @each_caller
    def test_clock_of_the_machine(self):
        if self.caller.uid == 0:
            self.control("set-clock", switches=["--share-user", "--keep-capabilities"])
        for tier in ("ns", "landlock", "full"):
            for options in ([], ["-u", "0"]):
                self.stopped("set-clock", tier=tier, options=options)


if __name__ == "__main__":
    main()
