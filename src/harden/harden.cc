#include "harden/harden.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/landlock.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.h"

namespace sandstone::harden {
namespace {

constexpr uid_t kNobody = 65534;

// As landlock_create_ruleset(2) takes it; what a kernel does not know is cut off.
struct Rights {
  uint64_t files;
  uint64_t ports;
  uint64_t scopes;
};

}  // namespace

Result<void> drop_ids(const std::string& who) {
  if (::geteuid() != 0) return {};
  for (int capability = 0; capability <= 63; ++capability)
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) break;  // EINVAL: past the kernel's last
  if (::setgroups(0, nullptr) != 0 && errno != EPERM) return system_error(who, "setgroups", errno);
  if (::setresgid(kNobody, kNobody, kNobody) != 0 && errno != EINVAL && errno != EPERM)
    return system_error(who, "setresgid", errno);
  if (::setresuid(kNobody, kNobody, kNobody) != 0 && errno != EINVAL && errno != EPERM)
    return system_error(who, "setresuid", errno);
  return {};
}

Result<void> drop_capabilities(const std::string& who, uint32_t kept) {
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct had[2] = {};
  if (::syscall(SYS_capget, &header, had) != 0) return system_error(who, "capget", errno);
  kept &= had[0].permitted;
  const __user_cap_data_struct left[2] = {{kept, kept, 0}, {}};
  if (::syscall(SYS_capset, &header, left) != 0) return system_error(who, "capset", errno);
  return {};
}

Result<void> close_file_system(const std::string& who, const Closed& what) {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return {};                                   // this kernel has none
  constexpr unsigned kFileRights[] = {13, 14, 15, 15, 16};  // by ABI 1 to 5: landlock(7)
  Rights rights{};
  rights.files = (1ULL << kFileRights[std::min<long>(abi, 5) - 1]) - 1;
  if (what.ports && abi >= 4) rights.ports = 1;
  if (what.scopes && abi >= 6) rights.scopes = 3;
  const size_t size = abi >= 6 ? sizeof rights : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
  const Fd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rights, size, 0)));
  if (!ruleset.valid()) return system_error(who, "landlock_create_ruleset", errno);
  for (const int folder : what.readable) {
    const landlock_path_beneath_attr rule{LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR, folder};
    if (::syscall(SYS_landlock_add_rule, ruleset.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
      return system_error(who, "landlock_add_rule", errno);
  }
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
    return system_error(who, "landlock_restrict_self", errno);
  return {};
}

Result<void> isolate(const std::string& who, int last_kept) {
  ::syscall(SYS_close_range, static_cast<unsigned>(last_kept) + 1, ~0U, 0);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_error(who, "PR_SET_NO_NEW_PRIVS", errno);
  ::signal(SIGPIPE, SIG_IGN);
  return hide(who);
}

Result<void> hide(const std::string& who) {
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return system_error(who, "PR_SET_DUMPABLE", errno);
  return set_limit(who, RLIMIT_CORE, 0);
}

Result<void> set_limit(const std::string& who, __rlimit_resource resource, rlim_t most) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0) return system_error(who, "getrlimit", errno);
  limit.rlim_max = std::min(limit.rlim_max, most);
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(resource, &limit) != 0) return system_error(who, "setrlimit", errno);
  return {};
}

}  // namespace sandstone::harden
