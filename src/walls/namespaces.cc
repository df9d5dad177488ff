// The namespaces that are a clone flag and little else. The network namespace has a file of its own.

#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>

#include "base/fd.h"
#include "base/kernel.h"
#include "base/sys.h"
#include "walls/factories.h"
#include "walls/setup.h"

namespace sandstone::walls {
namespace {

class NamespaceWall : public Wall {
 public:
  NamespaceWall(const char* name, const char* proc_name, uint64_t flag)
      : name_(name), proc_name_(proc_name), flag_(flag) {}

  [[nodiscard]] const char* name() const override { return name_; }
  [[nodiscard]] uint64_t clone_flags() const override { return flag_; }
  [[nodiscard]] bool fails_the_clone() const override { return true; }
  [[nodiscard]] Support support() const override {
    if (::access(fmt::format("/proc/self/ns/{}", proc_name_).c_str(), F_OK) == 0) return {};
    return {false,
            {},
            fmt::format("this kernel has no {} namespaces", proc_name_),
            "use a kernel built with them"};
  }

 private:
  const char* name_;
  const char* proc_name_;
  uint64_t flag_;
};

// Whether an ordinary user may make user namespaces is decided by sysctls and security modules; each refusal
// gets its own sentence, because EPERM alone tells nobody what to do.
class UserWall final : public NamespaceWall {
 public:
  UserWall() : NamespaceWall("user", "user", CLONE_NEWUSER) {}

  [[nodiscard]] Support support() const override {
    if (const Support base = NamespaceWall::support(); !base.available) return base;
    const auto value = [](const char* path) {
      auto text = read_file(path);
      return text ? static_cast<int>(std::strtol(text->c_str(), nullptr, 10)) : -1;
    };
    if (value("/proc/sys/user/max_user_namespaces") == 0)
      return {false, {}, "user namespaces are switched off", "sysctl user.max_user_namespaces=10000"};
    if (::geteuid() != 0 && value("/proc/sys/kernel/unprivileged_userns_clone") == 0)
      return {
          false, {}, "only root may make user namespaces here", "sysctl kernel.unprivileged_userns_clone=1"};
    if (::geteuid() != 0 && value("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
      return {true, "restricted", "AppArmor lets only profiled programs make user namespaces",
              "add an AppArmor profile for sandstone with 'userns,' or sysctl "
              "kernel.apparmor_restrict_unprivileged_userns=0"};
    return {};
  }

  [[nodiscard]] bool raise(Child& child) noexcept override {
    char go = 0;
    const long got = sys::read(child.map_ready_fd, &go, 1);
    if (got != 1) return child.fail(got < 0 ? static_cast<int>(got) : -EPIPE, "wait for the id maps");
    const User inside = child.setup.inside;
    // A root caller's supplementary groups would still open files for the workload. An ordinary user's cannot
    // be dropped: setgroups(2) is denied in a namespace that its owner mapped.
    if (child.setup.caller_is_root) {
      if (const long r = sys::call(SYS_setgroups, 0, 0); r < 0)
        return child.fail(static_cast<int>(r), "setgroups");
    }
    if (const long r = sys::call(SYS_setresgid, inside.gid, inside.gid, inside.gid); r < 0)
      return child.fail(static_cast<int>(r), "setresgid");
    if (const long r = sys::call(SYS_setresuid, inside.uid, inside.uid, inside.uid); r < 0)
      return child.fail(static_cast<int>(r), "setresuid");
    return true;
  }
};

class UtsWall final : public NamespaceWall {
 public:
  UtsWall() : NamespaceWall("uts", "uts", CLONE_NEWUTS) {}

  [[nodiscard]] bool raise(Child& child) noexcept override {
    const std::string& hostname = child.setup.hostname;
    const long r =
        sys::call(SYS_sethostname, sys::word(hostname.c_str()), static_cast<long>(hostname.size()));
    return r == 0 || child.fail(static_cast<int>(r), "sethostname", hostname.c_str());
  }
};

class CgroupWall final : public NamespaceWall {
 public:
  CgroupWall() : NamespaceWall("cgroup", "cgroup", CLONE_NEWCGROUP) {}

  Result<void> build(Setup& setup) override {
    is_late_ = setup.has("control-group");
    return {};
  }

  // A namespace that is made by the clone itself has the supervisor's group for its root, not the one that
  // the child is born in: a workload that may mount cgroup v2 (tier ns) would see its own limits there, and
  // could raise them.
  [[nodiscard]] uint64_t clone_flags() const override { return is_late_ ? 0 : CLONE_NEWCGROUP; }

  [[nodiscard]] bool raise(Child& child) noexcept override {
    const long r = is_late_ ? sys::call(SYS_unshare, CLONE_NEWCGROUP) : 0;
    return r == 0 || child.fail(static_cast<int>(r), "make a cgroup namespace");
  }

 private:
  bool is_late_ = false;
};

// A namespace whose clocks the workload finds at one day after boot, whatever the host's say: how long the
// host is up tells machines apart, and when it was last patched. It has to be made before the ids change,
// while /proc is ours to write.
class TimeWall final : public NamespaceWall {
 public:
  TimeWall() : NamespaceWall("time", "time", CLONE_NEWTIME) {}

  // Before Linux 6.2 exec(2) does not enter a namespace that was made by unshare(2), and a clone by one
  // without capabilities cannot: there it is made by the clone, and what a clone has entered takes no offsets
  // any more.
  [[nodiscard]] uint64_t clone_flags() const override { return is_late_ ? 0 : CLONE_NEWTIME; }

  Result<void> build(Setup& /*setup*/) override {
    is_late_ = kernel_is_at_least(6, 2);
    offsets_ = offset("monotonic", CLOCK_MONOTONIC) + offset("boottime", CLOCK_BOOTTIME);
    return {};
  }

  [[nodiscard]] bool raise(Child& child) noexcept override {
    if (!is_late_) return true;
    if (const long r = sys::call(SYS_unshare, CLONE_NEWTIME); r < 0)
      return child.fail(static_cast<int>(r), "make a time namespace");
    constexpr const char* kFile = "/proc/self/timens_offsets";
    const int file = sys::openat(AT_FDCWD, kFile, O_WRONLY);
    if (file < 0) return child.fail(file, "open", kFile);
    const long put = sys::write(file, offsets_.data(), offsets_.size());
    sys::close(file);
    return put == static_cast<long>(offsets_.size()) ||
           child.fail(put < 0 ? static_cast<int>(put) : -EIO, "write", kFile);
  }

 private:
  static constexpr int64_t kStart = 86'400;  // not 0: programs subtract from such clocks

  static std::string offset(const char* name, clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    const int64_t left = now.tv_nsec == 0 ? 0 : 1'000'000'000 - now.tv_nsec;
    return fmt::format("{} {} {}\n", name, kStart - now.tv_sec - (left > 0 ? 1 : 0), left);
  }

  bool is_late_ = false;
  std::string offsets_;
};

class MountWall final : public NamespaceWall {
 public:
  MountWall() : NamespaceWall("mount", "mnt", CLONE_NEWNS) {}

  [[nodiscard]] bool raise(Child& child) noexcept override {
    // A root caller's mount namespace is a peer of the copy: without this, what we mount would appear on the
    // host.
    mount_attr attributes{};
    attributes.propagation = MS_PRIVATE_FLAG;
    if (const int r = sys::mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, attributes); r < 0)
      return child.fail(r, "make all mounts private", "/");
    open_sources(child);
    return true;
  }

 private:
  // What the caller named is opened with the caller's rights, which end when the user wall changes the ids;
  // what is to be bound, as a detached copy of its mount. What cannot be opened is reported by the step that
  // needs it.
  static void open_sources(Child& child) noexcept {
    const auto open = [](const std::string& path) { return sys::openat(AT_FDCWD, path.c_str(), O_PATH); };
    int mask = -1;  // all masks are of one source
    for (ViewStep& step : child.setup.view) {
      if (step.source.empty()) continue;
      if (step.kind == ViewStep::Kind::mask && mask >= 0)
        step.source_fd = mask;
      else
        step.source_fd =
            sys::open_tree(AT_FDCWD, step.source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
      if (step.kind == ViewStep::Kind::mask) mask = step.source_fd;
    }
    if (!child.setup.spec.rootfs.empty()) child.rootfs_fd = open(child.setup.spec.rootfs);
    if (!child.setup.spec.save_directory.empty()) child.save_fd = open(child.setup.spec.save_directory);
  }

  static constexpr uint64_t MS_PRIVATE_FLAG =
      1 << 18;  // MS_PRIVATE; <sys/mount.h> clashes with <linux/mount.h>
};

}  // namespace

std::unique_ptr<Wall> make_user_wall() {
  return std::make_unique<UserWall>();
}
std::unique_ptr<Wall> make_mount_wall() {
  return std::make_unique<MountWall>();
}
std::unique_ptr<Wall> make_uts_wall() {
  return std::make_unique<UtsWall>();
}
std::unique_ptr<Wall> make_pid_wall() {
  return std::make_unique<NamespaceWall>("pid", "pid", CLONE_NEWPID);
}
std::unique_ptr<Wall> make_ipc_wall() {
  return std::make_unique<NamespaceWall>("ipc", "ipc", CLONE_NEWIPC);
}
std::unique_ptr<Wall> make_cgroup_wall() {
  return std::make_unique<CgroupWall>();
}
std::unique_ptr<Wall> make_time_wall() {
  return std::make_unique<TimeWall>();
}

}  // namespace sandstone::walls
