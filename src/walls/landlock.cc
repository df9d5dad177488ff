// Landlock: what the workload may open, execute, connect to and signal, decided by the kernel at each use. A
// second opinion behind the mounts: it holds even for a path that a mistake in the view left reachable.

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "walls/factories.h"
#include "walls/setup.h"
#include "walls/view.h"

namespace sandstone::walls {
namespace {

// <linux/landlock.h> of Debian 12 ends at ABI 2; the figures are the kernel's,
// Documentation/userspace-api/landlock.rst.
struct RulesetAttr {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;
  uint64_t scoped;
};
struct PathBeneathAttr {
  uint64_t allowed_access;
  int32_t parent_fd;
} __attribute__((packed));

constexpr long kCreateVersion = 1;
constexpr long kRulePathBeneath = 1;

constexpr uint64_t kExecute = 1 << 0, kWriteFile = 1 << 1, kReadFile = 1 << 2, kReadDir = 1 << 3;
constexpr uint64_t kAbi1 = (1 << 13) - 1;
constexpr uint64_t kMakeChar = 1 << 6, kMakeBlock = 1 << 11;
constexpr uint64_t kRefer = 1 << 13;                                    // ABI 2
constexpr uint64_t kTruncate = 1 << 14;                                 // ABI 3
constexpr uint64_t kIoctlDev = 1 << 15;                                 // ABI 5
constexpr uint64_t kNetBindTcp = 1 << 0, kNetConnectTcp = 1 << 1;       // ABI 4
constexpr uint64_t kScopeAbstractUnix = 1 << 0, kScopeSignal = 1 << 1;  // ABI 6

constexpr int kNewestAbi = 7;  // 7 adds flags for its log, no right

int host_abi() {
  const long abi = sys::call(SYS_landlock_create_ruleset, 0, 0, kCreateVersion);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

uint64_t fs_rights(int abi) {
  uint64_t rights = kAbi1;
  if (abi >= 2) rights |= kRefer;
  if (abi >= 3) rights |= kTruncate;
  if (abi >= 5) rights |= kIoctlDev;
  return rights;
}

uint64_t rights_of(Grant grant) {
  constexpr uint64_t kRead = kReadFile | kReadDir;
  switch (grant) {
    case Grant::none:
      return 0;
    case Grant::list:
      return kReadDir;
    case Grant::read:
      return kRead;
    case Grant::read_execute:
      return kRead | kExecute;
    case Grant::read_write:
      return fs_rights(5) & ~(kMakeChar | kMakeBlock | kIoctlDev);
    case Grant::device:
      return kRead | kWriteFile | kTruncate | kIoctlDev;
  }
  return 0;
}

class LandlockWall final : public Wall {
 public:
  [[nodiscard]] const char* name() const override { return "landlock"; }
  [[nodiscard]] bool restricts_child() const override { return true; }

  [[nodiscard]] Support support() const override {
    const int abi = host_abi();
    if (abi == 0)
      return {false,
              {},
              "this kernel has no Landlock, or it is switched off",
              "boot with lsm=landlock,… on Linux 5.13 or later"};
    Support support{true, fmt::format("ABI {} of {}", abi, kNewestAbi), {}, {}};
    if (abi < 4)
      support.reason = "no rules for TCP ports before ABI 4 (Linux 6.7)";
    else if (abi < 6)
      support.reason = "no rules for signals and abstract sockets before ABI 6 (Linux 6.12)";
    return support;
  }

  Result<void> build(Setup& setup) override {
    abi_ = host_abi();
    attributes_.handled_access_fs = fs_rights(abi_);
    if (abi_ >= 6) attributes_.scoped = kScopeAbstractUnix | kScopeSignal;
    // With a network namespace the loopback is the sandbox's own, and programs talk to themselves over it.
    if (abi_ >= 4 && setup.spec.network == Network::none && !setup.has("net"))
      attributes_.handled_access_net = kNetBindTcp | kNetConnectTcp;
    if (!setup.has("root")) host_grants_ = host_grants(setup);
    return {};
  }

  [[nodiscard]] bool raise(Child& child) noexcept override {
    const size_t size = abi_ >= 6 ? sizeof attributes_ : abi_ >= 4 ? 16 : 8;
    const int ruleset = static_cast<int>(
        sys::call(SYS_landlock_create_ruleset, sys::word(&attributes_), static_cast<long>(size), 0));
    if (ruleset < 0) return child.fail(ruleset, "create a Landlock ruleset");
    bool done = true;
    if (host_grants_.empty()) {
      // In a root of our own every name is ours, and listing the folders on the way tells nothing.
      done = allow(child, ruleset, "/", kReadDir);
      for (const ViewStep& step : child.setup.view) done = done && allow_step(child, ruleset, step);
      // A rootfs is the workload's to change: an overlay keeps the changes.
      if (done && !child.setup.spec.rootfs.empty())
        done = allow(child, ruleset, "/", rights_of(Grant::read_write));
    } else {
      for (const ViewStep& step : host_grants_)
        done = done && allow(child, ruleset, step.destination.c_str(), rights_of(step.grant));
    }
    if (done) {
      const long r = sys::call(SYS_landlock_restrict_self, ruleset, 0);
      done = r == 0 || child.fail(static_cast<int>(r), "enter the Landlock domain");
    }
    sys::close(ruleset);
    return done;
  }

 private:
  // What was bound is at hand as the mount that it was bound from; a rootfs may have a symlink in its place.
  [[nodiscard]] bool allow_step(Child& child, int ruleset, const ViewStep& step) const noexcept {
    const char* path = step.destination.c_str();
    const uint64_t rights = rights_of(step.grant);
    const bool at_hand =
        step.kind == ViewStep::Kind::bind && step.source_fd >= 0 && child.setup.spec.rootfs.empty();
    return at_hand ? add_rule(child, ruleset, path, step.source_fd, rights)
                   : allow(child, ruleset, path, rights);
  }

  [[nodiscard]] bool allow(Child& child, int ruleset, const char* path, uint64_t rights) const noexcept {
    if ((rights & attributes_.handled_access_fs) == 0) return true;
    const int place = sys::openat(AT_FDCWD, path, O_PATH);
    if (place == -ENOENT || place == -EACCES || place == -ELOOP) return true;  // nothing there to allow
    if (place < 0) return child.fail(place, "open for a Landlock rule", path);
    const bool done = add_rule(child, ruleset, path, place, rights);
    sys::close(place);
    return done;
  }

  [[nodiscard]] bool add_rule(Child& child, int ruleset, const char* path, int place,
                              uint64_t rights) const noexcept {
    rights &= attributes_.handled_access_fs;
    if (rights == 0) return true;
    struct stat info{};
    sys::call(SYS_newfstatat, place, sys::word(""), sys::word(&info), AT_EMPTY_PATH);
    // EINVAL is what a right for folders on a file earns.
    if (!S_ISDIR(info.st_mode)) rights &= kExecute | kWriteFile | kReadFile | kTruncate | kIoctlDev;
    PathBeneathAttr rule{rights, place};
    const long r = sys::call(SYS_landlock_add_rule, ruleset, kRulePathBeneath, sys::word(&rule), 0);
    return r == 0 || child.fail(static_cast<int>(r), "add a Landlock rule", path);
  }

  int abi_ = 0;
  RulesetAttr attributes_{};
  std::vector<ViewStep> host_grants_;
};

}  // namespace

std::unique_ptr<Wall> make_landlock_wall() {
  return std::make_unique<LandlockWall>();
}

}  // namespace sandstone::walls
