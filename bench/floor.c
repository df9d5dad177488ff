/* floor TRUE: the least that any jail of this kind does. The namespaces of `sandstone run --tier full`, id
 * maps, a tmpfs as the root, the old root detached, a seccomp filter of an allow-list's size, and then TRUE;
 * nothing else is checked, mounted, dropped, reported or cleaned. It is the measure, not a sandbox: do not
 * run what you distrust in it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filter.h"

static int put(pid_t pid, const char* file, const char* text) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  const ssize_t written = write(fd, text, strlen(text));
  return close(fd) == 0 && written > 0;
}

int main(int argc, char** argv) {
  const int program = open(argc > 1 ? argv[1] : "", O_PATH | O_CLOEXEC);
  int go[2], status = 0;
  if (program < 0 || pipe2(go, O_CLOEXEC) != 0) return 125;
  struct clone_args args = {.exit_signal = SIGCHLD};
  args.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
               CLONE_NEWCGROUP | CLONE_NEWTIME;
  const pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) {
    char byte;
    if (read(go[0], &byte, 1) != 1) _exit(125); /* the maps are written */
    if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, NULL) || chdir("/tmp")) _exit(125);
    if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/")) _exit(125);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, allow_list()))
      _exit(125);
    execveat(program, "", (char*[]){"true", NULL}, (char*[]){NULL}, AT_EMPTY_PATH);
    _exit(125);
  }
  const int user = geteuid() != 0;
  char uid[32], gid[32];
  snprintf(uid, sizeof uid, "1000 %d 1",
           user ? (int)geteuid() : 65534); /* root's jail is nobody outside, as ours is */
  snprintf(gid, sizeof gid, "1000 %d 1", user ? (int)getegid() : 65534);
  if (pid < 0 || (user && !put(pid, "setgroups", "deny")) || !put(pid, "uid_map", uid) ||
      !put(pid, "gid_map", gid))
    return 125;
  if (write(go[1], "", 1) != 1 || waitpid(pid, &status, 0) != pid) return 125;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
