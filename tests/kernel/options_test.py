"""`sandstone run --tier kernel` and its options: streams, statuses, views, ids, limits, and the end from outside."""

import json
import os
import signal
import subprocess
import time
import unittest

import kernel_tier
import sandstone_test


class Streams(kernel_tier.TestCase):
    def test_binary_data_of_some_megabytes(self):
        data = os.urandom(5 << 20)
        ended = self.script("cat | tee /dev/null | cat", stdin=data)
        self.assertEqual(ended.status, 0)
        self.assertEqual(ended.out.encode("utf-8", "surrogateescape"), data)

    def test_output_and_errors_are_apart(self):
        ended = self.script("echo out; echo err >&2; exit 3")
        self.assert_ended(ended, 3, out="out\n", err="err\n")

    def test_a_reader_that_leaves_ends_the_writer(self):
        child = self.start("run", "--tier", "kernel", "--", "yes", stdout=subprocess.PIPE)
        self.assertEqual(child.stdout.read(2), b"y\n")
        child.stdout.close()
        self.assertEqual(child.wait(60 * sandstone_test.PATIENCE), 141)

    def test_signals_reach_the_command(self):
        script = "trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
        child = self.start("run", "--tier", "kernel", "--", "sh", "-c", script, stdout=subprocess.PIPE)
        self.assertEqual(child.stdout.readline(), b"ready\n")
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.stdout.readline(), b"got it\n")
        self.assertEqual(child.wait(60 * sandstone_test.PATIENCE), 5)


class Status(kernel_tier.TestCase):
    def test_it_is_the_commands(self):
        for script, status in (("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("kill -SEGV $$", 139)):
            self.assertEqual(self.script(script).status, status)

    def test_not_found_and_not_executable(self):
        self.assert_ended(self.sandbox("/nope"), 127, out="")
        self.assert_ended(self.sandbox("no-such-command"), 127, out="")
        self.assert_ended(self.sandbox("/etc/hostname"), 126, out="")
        self.assert_ended(self.sandbox("/usr"), 126, out="")

    def test_what_the_command_leaves_behind_ends_with_it(self):
        self.assert_ended(self.script("sleep 1000 & (while :; do :; done) & echo over"), 0, out="over\n")


class Options(kernel_tier.TestCase):
    def test_environment_folder_and_host(self):
        ended = self.script("echo $A $(pwd) $(hostname)", options=["-e", "A=b", "-w", "/usr", "--hostname", "foo"])
        self.assert_ended(ended, 0, out="b /usr foo\n")

    def test_volumes(self):
        folder = self.shared_folder()
        (folder / "in").write_text("from outside")
        ended = self.script("cat /data/in; echo inside > /data/out; mkdir /data/d; ln -s in /data/l; mv /data/in /data/d/moved",
                            options=["-v", f"{folder}:/data"])
        self.assert_ended(ended, 0, out="from outside")
        self.assertEqual((folder / "out").read_text(), "inside\n")
        self.assertEqual((folder / "d/moved").read_text(), "from outside")
        ended = self.script("echo x > /data/no; rm /data/out; cat /data/out", options=["-v", f"{folder}:/data:ro"])
        self.assert_ended(ended, 0, out="inside\n", err="Read-only file system")

    def test_direct_access_is_refused_as_where_there_is_none(self):
        folder = self.shared_folder()
        self.assert_ended(self.python("""
import os
for how in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):
    try: os.open("/data/new", how | os.O_DIRECT)
    except OSError as e: print(e.strerror)
    os.close(os.open("/data/new", how | os.O_CREAT))
""", options=["-v", f"{folder}:/data"]), 0, out="Invalid argument\nInvalid argument\n")

    def test_root_unpacks_into_a_volume(self):
        folder = self.shared_folder()
        script = "tar c --owner=5 --group=6 -C /etc hostname | tar x -C /data && cp -a /etc/hostname /data/copy && stat -c %u:%g /data/hostname"
        self.assert_ended(self.script(script, options=["-v", f"{folder}:/data"]), 0, out="0:0\n")
        self.assertTrue((folder / "copy").exists())

    def test_what_is_mapped_from_a_volume_is_written_there(self):
        folder = self.shared_folder()
        (folder / "file").write_bytes(bytes(8192))
        (folder / "file").chmod(0o666)
        self.assert_ended(self.python("""
import mmap
with open("/data/file", "r+b") as f:
    m = mmap.mmap(f.fileno(), 8192); m[5000:5005] = b"hello"; m.flush(); m[0:3] = b"abc"; m.close()
""", options=["-v", f"{folder}:/data"]), 0)
        data = (folder / "file").read_bytes()
        self.assertEqual((data[:3], data[5000:5005]), (b"abc", b"hello"))

    def test_root_inside_is_whole(self):
        script = "id -u; mount -t tmpfs t /mnt && touch /mnt/x && chown 5:6 /mnt/x && stat -c %u:%g /mnt/x; setpriv --reuid=7 --clear-groups id -u"
        self.assert_ended(self.script(script), 0, out="0\n5:6\n7\n")

    def test_another_user(self):
        folder = self.shared_folder()
        script = """
            id -u; pwd; touch here /tmp/x && stat -c %u here; echo hi > /data/q && stat -c %u /data/q
            touch /usr/x 2>/dev/null || echo no; kill -0 1 2>/dev/null || echo no; grep CapEff /proc/self/status
        """
        ended = self.script(script, options=["-u", "1000:1000", "-v", f"{folder}:/data"])
        self.assert_ended(ended, 0, out="1000\n/home/sandbox\n1000\n1000\nno\nno\nCapEff:\t0000000000000000\n")

    def test_setuid_programs(self):
        script = """
            cp /usr/bin/id /tmp/id; chown 0:0 /tmp/id; chmod 4755 /tmp/id
            setpriv --reuid=1000 --regid=1000 --clear-groups /tmp/id -u
            setpriv --reuid=1000 --regid=1000 --clear-groups --no-new-privs /tmp/id -u
        """
        self.assert_ended(self.script(script), 0, out="0\n1000\n")

    def test_read_only_and_tmpfs(self):
        script = "touch /x; touch /tmp/x && echo in tmp; touch /mnt/m/x && df -k /mnt/m | tail -n 1 | tr -s ' ' | cut -d' ' -f2"
        ended = self.script(script, options=["--read-only", "--tmpfs", "/tmp", "--tmpfs", "/mnt/m:size=1m"])
        self.assert_ended(ended, 0, out="in tmp\n1024\n", err="Read-only file system")

    def test_timeout_and_json(self):
        report = self.dir / "report"
        ended = self.script("while :; do :; done", options=["--timeout", "1", "--json", report])
        self.assert_ended(ended, 124)
        outcome = json.loads(report.read_text())
        self.assertEqual((outcome["cause"], outcome["tier"], outcome["limits_hit"]), ("timeout", "kernel", ["timeout"]))

    def test_what_is_written_stays_inside(self):
        self.assert_ended(self.script("echo x > /usr/bin/of-ours; rm /usr/bin/env; ls /usr/bin/of-ours; ls /usr/bin/env; true"), 0,
                          out="/usr/bin/of-ours\n")
        self.assertTrue(os.path.exists("/usr/bin/env") and not os.path.exists("/usr/bin/of-ours"))


class Ends(kernel_tier.TestCase):
    def guests(self, child):
        """The host processes of a sandbox's guests, the newest last."""
        def below(pid):
            try:
                with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
                    return [int(p) for p in f.read().split()]
            except OSError:
                return []

        found = [child.pid]
        for _ in range(3):  # sandstone, its init, sandstone-kernel, the library kernel's process
            found = [each for pid in found for each in below(pid)]
        return [each for pid in found for each in below(pid)]

    def test_a_guest_that_the_host_kills_is_over_inside(self):
        script = "sleep 1000 & echo ready; wait $!; echo $?; sh -c 'while :; do :; done'; echo $?"
        child = self.start("run", "--tier", "kernel", "--", "sh", "-c", script, stdout=subprocess.PIPE)
        self.assertEqual(child.stdout.readline(), b"ready\n")
        for expected in (b"137\n", b"137\n"):
            time.sleep(0.5)  # who is killed with the kernel's CPU takes the kernel along
            guests = sandstone_test.until(lambda: (g := self.guests(child)) and len(g) == 2 and g, "the second process")
            os.kill(max(guests), signal.SIGKILL)
            self.assertEqual(child.stdout.readline(), expected)
        self.assertEqual(child.wait(60 * sandstone_test.PATIENCE), 0)

    def test_a_killed_supervisor_leaves_nothing(self):
        child = self.start("run", "--tier", "kernel", "--", "sh", "-c", "sleep 1000 & echo ready; wait", stdout=subprocess.PIPE)
        self.assertEqual(child.stdout.readline(), b"ready\n")
        child.kill()
        child.wait()


@unittest.skipUnless(sandstone_test.IS_ROOT, "the tests are an ordinary user's anyway")
class OrdinaryUser(kernel_tier.TestCase):
    def test_it_needs_no_root(self):
        command = ["setpriv", f"--reuid={kernel_tier.NOBODY}", f"--regid={kernel_tier.NOBODY}", "--clear-groups",
                   sandstone_test.BINARY, "run", "--tier", "kernel", "--", "sh", "-c", "id -u; mkdir /new; ls -d /new; exit 6"]
        try:
            can = subprocess.run([*command[:4], "test", "-r", sandstone_test.PROGRAMS / "library-kernel"], check=False).returncode == 0
        except OSError:
            can = False
        if not can:
            self.skipTest("the build's folder is not readable for others")
        self.assert_ended(sandstone_test.command(command), 6, out="0\n/new\n")


if __name__ == "__main__":
    sandstone_test.main()
