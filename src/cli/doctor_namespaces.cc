// Experiments that need namespaces of their own.

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"
#include "cli/doctor_experiments.h"

namespace sandstone::cli {
namespace {

template <int Flags>
int unshare_these() {
  return enter_namespaces(Flags);
}

int new_mount(const char* filesystem) {
  const Fd context(static_cast<int>(::syscall(SYS_fsopen, filesystem, FSOPEN_CLOEXEC)));
  if (!context.valid()) return -1;
  if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return -1;
  return static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0));
}

// The root is composed of detached trees that are made read-only in one call, whatever is mounted below them.
int compose_root() {
  if (const int error = enter_namespaces(CLONE_NEWNS); error != 0) return error;
  constexpr unsigned kCopy = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
  const Fd tree(static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, "/usr", kCopy)));
  if (!tree.valid()) return errno;
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  constexpr unsigned kWhole = AT_EMPTY_PATH | AT_RECURSIVE;
  if (::syscall(SYS_mount_setattr, tree.get(), "", kWhole, &attributes, sizeof attributes) != 0) return errno;
  const Fd root(new_mount("tmpfs"));
  if (!root.valid()) return errno;
  if (::mkdirat(root.get(), "usr", 0755) != 0) return errno;
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return errno;
  if (::syscall(SYS_move_mount, root.get(), "", AT_FDCWD, "/usr", MOVE_MOUNT_F_EMPTY_PATH) != 0) return errno;
  return ::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, "/usr/usr", MOVE_MOUNT_F_EMPTY_PATH) == 0
             ? 0
             : errno;
}

// The kernel refuses a new procfs where the caller's own has parts hidden from it, as in most containers.
int mount_proc() {
  if (const int error = enter_namespaces(CLONE_NEWNS | CLONE_NEWPID); error != 0) return error;
  const pid_t child = ::fork();
  if (child < 0) return errno;
  if (child == 0) ::_exit(new_mount("proc") >= 0 ? 0 : errno);
  int status = 0;
  if (::waitpid(child, &status, 0) < 0) return errno;
  return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

struct Named {
  std::string_view wall;
  Experiment experiment;
};

constexpr Named kExperiments[] = {
    {"user", unshare_these<0>},
    {"mount", unshare_these<CLONE_NEWNS>},
    {"pid", unshare_these<CLONE_NEWPID>},
    {"net", unshare_these<CLONE_NEWNET>},
    {"ipc", unshare_these<CLONE_NEWIPC>},
    {"uts", unshare_these<CLONE_NEWUTS>},
    {"cgroup", unshare_these<CLONE_NEWCGROUP>},
    {"time", unshare_these<CLONE_NEWTIME>},
    {"root", compose_root},
    {"proc-mask", mount_proc},
};

}  // namespace

Experiment experiment_of(std::string_view wall) {
  for (const auto& named : kExperiments)
    if (named.wall == wall) return named.experiment;
  return nullptr;
}

int make_executable_memfd() {
  constexpr unsigned kKind = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  constexpr unsigned kExecutable = 0x0010;  // MFD_EXEC, since Linux 6.3; older kernels know no other kind
  Fd file(static_cast<int>(::syscall(SYS_memfd_create, "doctor", kKind | kExecutable)));
  if (!file.valid() && errno == EINVAL)
    file = Fd(static_cast<int>(::syscall(SYS_memfd_create, "doctor", kKind)));
  return file.valid() ? 0 : errno;
}

int mount_overlay() {
  if (const int error = enter_namespaces(CLONE_NEWNS); error != 0) return error;
  if (::mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, nullptr) != 0) return errno;
  for (const char* folder : {"/tmp/lower", "/tmp/upper", "/tmp/work", "/tmp/merged"})
    if (::mkdir(folder, 0755) != 0) return errno;
  constexpr const char* kOptions = "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work,userxattr";
  return ::mount("overlay", "/tmp/merged", "overlay", 0, kOptions) == 0 ? 0 : errno;
}

}  // namespace sandstone::cli
