#include <fmt/format.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"
#include "cli/doctor.h"
#include "cli/doctor_experiments.h"

namespace sandstone::cli {
namespace {

// landlock(7): what each ABI added, from the first on.
constexpr const char* kLandlock[] = {
    "files",         "renaming between folders",     "truncation",   "TCP ports",
    "device ioctls", "abstract sockets and signals", "audit records"};

Finding landlock() {
  Finding finding{"landlock", Area::walls, Level::no, {}, {}};
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 0) {
    const bool built_in = errno == EOPNOTSUPP;
    finding.detail = built_in          ? "switched off at boot"
                     : errno == ENOSYS ? "this kernel does not have it"
                                       : errno_text(errno);
    finding.remedy = built_in ? "boot with lsm=landlock,... (see /sys/kernel/security/lsm)"
                              : "Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK";
    return finding;
  }
  const auto known = static_cast<long>(std::size(kLandlock));
  constexpr long kScopes = 6;  // the ABI from which on all that is promised for the tier can be enforced
  finding.level = abi >= kScopes ? Level::yes : Level::partly;
  finding.detail =
      fmt::format("ABI {}: {}", abi, fmt::join(kLandlock, kLandlock + std::min(abi, known), ", "));
  if (abi < kScopes)
    finding.remedy =
        fmt::format("Linux 6.12 or newer for {}", fmt::join(kLandlock + abi, kLandlock + kScopes, ", "));
  return finding;
}

Finding seccomp() {
  Finding finding{"seccomp", Area::walls, Level::no, {}, {}};
  uint32_t notify = SECCOMP_RET_USER_NOTIF;
  uint32_t refuse = SECCOMP_RET_ERRNO;
  if (::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &refuse) != 0) {
    finding.detail = "this kernel does not have filters";
    finding.remedy = "a kernel with CONFIG_SECCOMP_FILTER";
    return finding;
  }
  if (::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &notify) != 0) {
    finding.level = Level::partly;
    finding.detail = "denials work, but cannot be reported";
    finding.remedy = "Linux 5.0 or newer";
    return finding;
  }
  finding.level = Level::yes;
  finding.detail = "filter, and user notification to report denials";
  return finding;
}

// Process 1 of a sandbox is executed from a sealed memfd.
Finding memfd() {
  constexpr unsigned kExecutable = 0x0010;  // MFD_EXEC, since Linux 6.3; older kernels know no other kind
  Fd file(
      static_cast<int>(::syscall(SYS_memfd_create, "doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING | kExecutable)));
  if (!file.valid() && errno == EINVAL)
    file = Fd(static_cast<int>(::syscall(SYS_memfd_create, "doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING)));
  if (file.valid()) return {"memfd", Area::walls, Level::yes, "executable and sealed, for process 1", {}};
  const std::string reason =
      sysctl_number("vm/memfd_noexec") == 2 ? "vm.memfd_noexec is 2" : errno_text(errno);
  return {"memfd", Area::walls, Level::no, reason, "sysctl vm.memfd_noexec=1 or 0"};
}

}  // namespace

void examine_kernel(std::vector<Finding>& findings) {
  findings.push_back(landlock());
  findings.push_back(seccomp());
  findings.push_back(memfd());
}

}  // namespace sandstone::cli
