#include <fcntl.h>
#include <fmt/format.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"
#include "cli/doctor.h"
#include "cli/doctor_experiments.h"

namespace sandstone::cli {
namespace {

// Why a user namespace is refused cannot be seen in the errno alone: these are the known gates, most specific
// first.
Finding user_namespace() {
  Finding finding{"user", Area::walls, Level::no, {}, {}};
  const int error = try_in_child(enter_user_namespace);
  const auto most = sysctl_number("user/max_user_namespaces");
  if (error == 0) {
    finding.level = Level::yes;
    if (most) finding.detail = fmt::format("up to {}", *most);
    return finding;
  }
  finding.detail = errno_text(error);
  if (most == 0) {
    finding.detail = "user.max_user_namespaces is 0";
    finding.remedy = "sysctl user.max_user_namespaces=10000";
  } else if (sysctl_number("kernel/unprivileged_userns_clone") == 0) {
    finding.detail = "kernel.unprivileged_userns_clone is 0";
    finding.remedy = "sysctl kernel.unprivileged_userns_clone=1";
  } else if (sysctl_number("kernel/apparmor_restrict_unprivileged_userns") == 1) {
    finding.detail = "AppArmor allows them only to programs with a profile";
    finding.remedy =
        "an AppArmor profile with 'userns,' for sandstone, or sysctl "
        "kernel.apparmor_restrict_unprivileged_userns=0";
  } else if (error == EINVAL) {
    finding.detail = "this kernel is built without them";
    finding.remedy = "a kernel with CONFIG_USER_NS";
  } else if (error == ENOSPC || error == EUSERS) {
    finding.remedy = "raise user.max_user_namespaces, or nest fewer";
  } else {
    finding.remedy =
        "a container's seccomp profile or a chroot may refuse them: allow unshare and clone, or run outside";
  }
  return finding;
}

template <int Flags>
int unshared() {
  return enter_namespaces(Flags);
}

Finding other_namespace(const char* name, int (*experiment)(), const Finding& user) {
  if (user.level == Level::no) return {name, Area::walls, Level::no, "needs a user namespace", {}};
  const int error = try_in_child(experiment);
  if (error == 0) return {name, Area::walls, Level::yes, {}, {}};
  if (error == EINVAL)
    return {name, Area::walls, Level::no, "this kernel does not have it",
            "Linux 5.6 or newer with the namespace built in"};
  if (error == ENOSPC)
    return {name, Area::walls, Level::no, "the number of them is used up",
            fmt::format("raise user.max_{}_namespaces", name)};
  return {name, Area::walls, Level::no, errno_text(error),
          sysctl_number("kernel/apparmor_restrict_unprivileged_userns") == 1
              ? "an AppArmor profile with 'userns,' for sandstone"
              : ""};
}

// The root is composed of detached trees that are made read-only in one call, whatever is mounted below them.
int compose_root() {
  if (const int error = enter_namespaces(CLONE_NEWNS); error != 0) return error;
  const Fd tree(static_cast<int>(
      ::syscall(SYS_open_tree, AT_FDCWD, "/usr", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)));
  if (!tree.valid()) return errno;
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
                sizeof attributes) != 0)
    return errno;
  const Fd context(static_cast<int>(::syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC)));
  if (!context.valid()) return errno;
  if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return errno;
  const Fd tmpfs(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
  if (!tmpfs.valid()) return errno;
  if (::mkdirat(tmpfs.get(), "usr", 0755) != 0) return errno;
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return errno;
  if (::syscall(SYS_move_mount, tmpfs.get(), "", AT_FDCWD, "/usr", MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return errno;
  return ::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, "/usr/usr", MOVE_MOUNT_F_EMPTY_PATH) == 0
             ? 0
             : errno;
}

// The kernel refuses a new procfs where the caller's own has parts hidden from it, as in most containers.
int mount_proc() {
  if (const int error = enter_namespaces(CLONE_NEWNS | CLONE_NEWPID); error != 0) return error;
  const pid_t child = ::fork();
  if (child < 0) return errno;
  if (child == 0) {
    const Fd context(static_cast<int>(::syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC)));
    if (!context.valid()) ::_exit(errno);
    if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) ::_exit(errno);
    ::_exit(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0) >= 0 ? 0 : errno);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) < 0) return errno;
  return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

int mount_overlay() {
  if (const int error = enter_namespaces(CLONE_NEWNS); error != 0) return error;
  if (::mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, nullptr) != 0) return errno;
  for (const char* folder : {"/tmp/lower", "/tmp/upper", "/tmp/work", "/tmp/merged"})
    if (::mkdir(folder, 0755) != 0) return errno;
  return ::mount("overlay", "/tmp/merged", "overlay", 0,
                 "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work,userxattr") == 0
             ? 0
             : errno;
}

Finding experiment_finding(const char* name, Area area, int (*experiment)(), const Finding& user,
                           const char* detail, const char* remedy) {
  if (user.level == Level::no) return {name, area, Level::no, "needs a user namespace", {}};
  const int error = try_in_child(experiment);
  if (error == 0) return {name, area, Level::yes, detail, {}};
  return {name, area, Level::no,
          error == ENOSYS || error == ENODEV ? "this kernel does not have it" : errno_text(error), remedy};
}

}  // namespace

void examine_namespaces(std::vector<Finding>& findings) {
  const Finding user = user_namespace();
  findings.push_back(user);
  findings.push_back(other_namespace("mount", unshared<CLONE_NEWNS>, user));
  findings.push_back(other_namespace("pid", unshared<CLONE_NEWPID>, user));
  findings.push_back(other_namespace("net", unshared<CLONE_NEWNET>, user));
  findings.push_back(other_namespace("ipc", unshared<CLONE_NEWIPC>, user));
  findings.push_back(other_namespace("uts", unshared<CLONE_NEWUTS>, user));
  findings.push_back(other_namespace("cgroup", unshared<CLONE_NEWCGROUP>, user));
  findings.push_back(other_namespace("time", unshared<CLONE_NEWTIME>, user));
  findings.push_back(experiment_finding("root", Area::walls, compose_root, user,
                                        "composed by descriptor, read-only all the way down",
                                        "Linux 5.12 or newer"));
  findings.push_back(experiment_finding(
      "proc-mask", Area::walls, mount_proc, user, "a /proc of its own",
      "in a container: leave its /proc unmasked (docker: --security-opt systempaths=unconfined)"));
  findings.push_back(experiment_finding("--rootfs", Area::view, mount_overlay, user,
                                        "overlayfs in a user namespace",
                                        "Linux 5.11 or newer with overlayfs"));
}

}  // namespace sandstone::cli
