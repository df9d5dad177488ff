// Changing what is mounted. Each attempt is made in a mount namespace of its own where one can be had, so
// that it ends with the attempt; where none can be had, the attempt goes ahead: a mount would be refused for
// the same lack of rights, and if it were not, the canary's host side stands in a private mount namespace.
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "probe/program/attempt.h"

namespace sandstone::probe_program {
namespace {

constexpr char kArea[] = "mounts";

bool exists(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

uint64_t mount_of(const char* path) {
  struct statx status{};
  return ::statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &status) == 0 ? status.stx_mnt_id : 0;
}

// Mounts at a scratch folder, judges by a name that must appear there, and unmounts.
Verdict mount_and_look(const char* source, const char* type, unsigned long flags, const std::string& data,
                       const char* expected) {
  const bool own = own_mount_namespace();
  const Scratch scratch;
  // Over an existing folder only where nobody else can see it.
  if (!scratch.valid() && !own) return not_applicable("no folder to write in");
  const std::string place = scratch.valid() ? scratch.path() : "/tmp";
  if (::mount(source, place.c_str(), type, flags, data.empty() ? nullptr : data.c_str()) != 0)
    return refused("mount");
  const bool there = expected == nullptr || exists(place + "/" + expected);
  ::umount2(place.c_str(), MNT_DETACH);
  return there ? gained("mounted") : without_effect("mounted, but it is empty");
}

Verdict mount_tmpfs(const Parameters&) {
  return mount_and_look("none", "tmpfs", 0, "size=64k", nullptr);
}
Verdict mount_proc(const Parameters&) {
  return mount_and_look("proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, {}, "self");
}
Verdict mount_sysfs(const Parameters&) {
  return mount_and_look("sysfs", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, {}, "class");
}
Verdict mount_bind(const Parameters&) {
  return mount_and_look("/proc", nullptr, MS_BIND | MS_REC, {}, "self");
}

Verdict mount_overlay(const Parameters&) {
  own_mount_namespace();
  const Scratch scratch;
  if (!scratch.valid()) return not_applicable("no folder to write in");
  for (const char* name : {"lower", "upper", "work", "merged"}) ::mkdir(scratch.path(name).c_str(), 0700);
  const std::string data = "lowerdir=" + scratch.path("lower") + ",upperdir=" + scratch.path("upper") +
                           ",workdir=" + scratch.path("work");
  if (::mount("overlay", scratch.path("merged").c_str(), "overlay", 0, data.c_str()) != 0)
    return refused("mount");
  ::umount2(scratch.path("merged").c_str(), MNT_DETACH);
  return gained("mounted an overlay: a part of the kernel with a history of holes");
}

Verdict fs_open(const Parameters&) {
  const Descriptor context(static_cast<int>(::syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC)));
  if (!context.valid()) return refused("fsopen");
  if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return refused("fsconfig");
  const Descriptor tree(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
  if (!tree.valid()) return refused("fsmount");
  return gained("has a file system of its own, mounted nowhere");
}

Verdict open_tree_clone(const Parameters&) {
  const Descriptor tree(static_cast<int>(
      ::syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)));
  if (!tree.valid()) return refused("open_tree(OPEN_TREE_CLONE)");
  return gained("has a copy of all mounts, to change at will");
}

Verdict move_mount_attempt(const Parameters&) {
  own_mount_namespace();
  const Scratch scratch;
  if (!scratch.valid()) return not_applicable("no folder to write in");
  const Descriptor context(static_cast<int>(::syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC)));
  const Descriptor tree(
      context.valid() && ::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0
          ? static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0))
          : -1);
  // Without a mount to move, moving the scratch folder still tells whether the call itself is to be had: it
  // is no mount point, which is an error only of those who may mount.
  const int failed = tree.valid()
                         ? static_cast<int>(::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD,
                                                      scratch.path().c_str(), MOVE_MOUNT_F_EMPTY_PATH))
                         : static_cast<int>(::syscall(SYS_move_mount, AT_FDCWD, scratch.path().c_str(),
                                                      AT_FDCWD, scratch.path().c_str(), 0));
  if (failed != 0 && (tree.valid() || errno != EINVAL)) return refused("move_mount");
  ::umount2(scratch.path().c_str(), MNT_DETACH);
  return gained("attached a mount");
}

Verdict mount_setattr_attempt(const Parameters&) {
  own_mount_namespace();
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NOSUID;
  if (::syscall(SYS_mount_setattr, AT_FDCWD, "/proc", 0, &attributes, sizeof attributes) != 0)
    return refused("mount_setattr");
  return gained("changed the attributes of a mount");
}

// What is mounted over something hides it; taking the upper mount away shows it again.
Verdict unmount(const Parameters&) {
  if (!own_mount_namespace()) return refused("unshare(CLONE_NEWNS)");
  const uint64_t before = mount_of("/proc");
  if (::umount2("/proc", MNT_DETACH) != 0) return refused("umount2");
  if (mount_of("/proc") == before) return without_effect("it is still there");
  return gained("took away a mount that was given to it");
}

Verdict pivot_root_attempt(const Parameters&) {
  // A folder that is no mount point: whoever may pivot is told EINVAL, everybody else EPERM first.
  const Scratch scratch;
  if (!scratch.valid()) return not_applicable("no folder to write in");
  ::syscall(SYS_pivot_root, scratch.path().c_str(), scratch.path().c_str());
  if (errno == EINVAL || errno == EBUSY) return gained("passed the check of privilege of pivot_root");
  return refused("pivot_root");
}

Verdict chroot_attempt(const Parameters&) {
  if (::chroot("/") != 0) return refused("chroot");
  return gained("may change its root");
}

// The classic: whoever stands outside his root is bound by none. In a mount namespace whose root was changed
// by pivot_root the climb ends where it began.
Verdict double_chroot(const Parameters& p) {
  const Scratch scratch;
  if (!scratch.valid()) return not_applicable("no folder to write in");
  ::mkdir(scratch.path("inner").c_str(), 0700);
  return in_child([&]() -> Verdict {
    if (::chroot(scratch.path("inner").c_str()) != 0) return refused("chroot");
    for (int i = 0; i < 64; ++i)
      if (::chdir("..") != 0) break;
    if (::chroot(".") != 0) return refused("chroot(\".\")");
    return read_secret_file(p, "secret", p.text("home") + "/secret");
  });
}

// A version 1 hierarchy names a program that the kernel runs as the host's root when a group empties.
Verdict release_agent(const Parameters& p) {
  if (!p.has("cgroup-v1")) return not_applicable("the kernel has no cgroup version 1");
  if (!own_mount_namespace()) return refused("unshare(CLONE_NEWNS)");
  const Scratch scratch;
  if (!scratch.valid()) return not_applicable("no folder to write in");
  if (::mount("cgroup", scratch.path().c_str(), "cgroup", 0, p.text("cgroup-v1").c_str()) != 0)
    return refused("mount cgroup");
  const Verdict verdict = open_only(scratch.path("release_agent"), O_WRONLY);
  ::umount2(scratch.path().c_str(), MNT_DETACH);
  return verdict;
}

constexpr Operation kOperations[] = {
    {"mount-tmpfs", kArea, "mounts a tmpfs", mount_tmpfs},
    {"mount-proc", kArea, "mounts a procfs of its own, with nothing masked", mount_proc},
    {"mount-sysfs", kArea, "mounts a sysfs of its own", mount_sysfs},
    {"mount-bind", kArea, "mounts a folder at another place", mount_bind},
    {"mount-overlay", kArea, "mounts an overlay: a part of the kernel with a history of holes",
     mount_overlay},
    {"fsopen", kArea, "makes a file system through the new mount API (fsopen, fsmount)", fs_open},
    {"open-tree", kArea, "copies the tree of mounts (open_tree)", open_tree_clone},
    {"move-mount", kArea, "attaches a mount (move_mount)", move_mount_attempt},
    {"mount-setattr", kArea, "changes the attributes of a mount (mount_setattr)", mount_setattr_attempt},
    {"umount", kArea, "takes a mount away, and with it what masks something", unmount},
    {"pivot-root", kArea, "changes the root of its mount namespace", pivot_root_attempt},
    {"chroot", kArea, "changes its root folder", chroot_attempt},
    {"double-chroot", kArea, "breaks out of its root by a second chroot, to the caller's home",
     double_chroot},
    {"cgroup-release-agent", kArea,
     "mounts a cgroup v1 hierarchy and opens release_agent: runs any program as the host's root",
     release_agent},
};

}  // namespace

std::span<const Operation> mount_operations() {
  return kOperations;
}

}  // namespace sandstone::probe_program
