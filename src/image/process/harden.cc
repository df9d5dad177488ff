#include "image/process/harden.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <memory>

#include "base/fd.h"
#include "image/wire.h"

namespace sandstone::image {
namespace {

constexpr uid_t kNobody = 65534;

Error failed(const char* what, int err) {
  return system_error("image", what, err);
}

Result<void> drop_ids() {
  if (::geteuid() != 0) return {};
  for (int capability = 0; capability <= 63; ++capability)
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) break;  // EINVAL: past the kernel's last
  // A user namespace may have no nobody: then root loses its capabilities, below, and stays.
  if (::setgroups(0, nullptr) != 0 && errno != EPERM) return failed("setgroups", errno);
  if (::setresgid(kNobody, kNobody, kNobody) != 0 && errno != EINVAL && errno != EPERM)
    return failed("setresgid", errno);
  if (::setresuid(kNobody, kNobody, kNobody) != 0 && errno != EINVAL && errno != EPERM)
    return failed("setresuid", errno);
  return {};
}

Result<void> drop_capabilities(bool reads_folder) {
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return failed("capget", errno);
  const uint32_t kept = reads_folder ? data[0].permitted & (1U << CAP_DAC_READ_SEARCH) : 0;
  const __user_cap_data_struct fewer[2] = {{kept, kept, 0}, {}};
  if (::syscall(SYS_capset, &header, fewer) != 0) return failed("capset", errno);
  return {};
}

// Reading below kSource, if that is a folder, and nothing else.
Result<void> close_file_system(bool reads_folder) {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return {};                                   // this kernel has none
  constexpr unsigned kFileRights[] = {13, 14, 15, 15, 16};  // by ABI 1 to 5: landlock(7)
  const uint64_t rights = (1ULL << kFileRights[std::min<long>(abi, 5) - 1]) - 1;
  const Fd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rights, sizeof rights, 0)));
  if (!ruleset.valid()) return failed("landlock_create_ruleset", errno);
  if (reads_folder) {
    const landlock_path_beneath_attr rule{LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
                                          kSource};
    if (::syscall(SYS_landlock_add_rule, ruleset.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
      return failed("landlock_add_rule", errno);
  }
  return ::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) == 0
             ? Result<void>()
             : failed("landlock_restrict_self", errno);
}

#if !defined(__SANITIZE_ADDRESS__)

constexpr int kAllowed[] = {
    SCMP_SYS(poll),           SCMP_SYS(read),
    SCMP_SYS(pread64),        SCMP_SYS(write),
    SCMP_SYS(pwrite64),       SCMP_SYS(lseek),
    SCMP_SYS(ftruncate),      SCMP_SYS(fallocate),
    SCMP_SYS(fsync),          SCMP_SYS(fdatasync),
    SCMP_SYS(fstat),          SCMP_SYS(close),
    SCMP_SYS(sendto),         SCMP_SYS(brk),
    SCMP_SYS(munmap),         SCMP_SYS(mremap),
    SCMP_SYS(madvise),        SCMP_SYS(futex),
    SCMP_SYS(clock_gettime),  SCMP_SYS(gettimeofday),
    SCMP_SYS(time),           SCMP_SYS(getrandom),
    SCMP_SYS(uname),          SCMP_SYS(getuid),
    SCMP_SYS(geteuid),        SCMP_SYS(getgid),
    SCMP_SYS(getegid),        SCMP_SYS(getpid),
    SCMP_SYS(gettid),         SCMP_SYS(tgkill),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigreturn),   SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),           SCMP_SYS(exit_group),
};

constexpr int kForFolders[] = {
    SCMP_SYS(openat2),    SCMP_SYS(newfstatat), SCMP_SYS(getdents64),
    SCMP_SYS(readlinkat), SCMP_SYS(llistxattr), SCMP_SYS(lgetxattr),
};

Result<void> filter_system_calls(bool reads_folder) {
  const std::unique_ptr<void, decltype(&::seccomp_release)> filter(::seccomp_init(SCMP_ACT_ERRNO(EPERM)),
                                                                   &::seccomp_release);
  if (!filter) return failed("seccomp_init", ENOMEM);
  int status = 0;
  const auto allow = [&](int call, std::initializer_list<scmp_arg_cmp> when) {
    if (status == 0)
      status = ::seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call,
                                        static_cast<unsigned>(when.size()), when.begin());
  };
  for (const int call : kAllowed) allow(call, {});
  for (const int command : {F_GETFL, F_SETFD, F_GETFD, F_DUPFD_CLOEXEC})
    allow(SCMP_SYS(fcntl), {SCMP_A1(SCMP_CMP_EQ, static_cast<scmp_datum_t>(command))});
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)})  // nothing becomes code
    allow(call, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
  if (reads_folder) {
    for (const int call : kForFolders) allow(call, {});
    allow(SCMP_SYS(openat), {SCMP_A2(SCMP_CMP_MASKED_EQ, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, 0)});
  } else {
    allow(SCMP_SYS(newfstatat),
          {SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH)});  // glibc's fstat()
  }
  if (status == 0) status = ::seccomp_load(filter.get());
  return status == 0 ? Result<void>() : failed("seccomp", -status);
}

#else

Result<void> filter_system_calls(bool /*reads_folder*/) {
  return {};
}  // the sanitizer's runtime needs calls of its own

#endif

Result<void> set_limits() {
#if !defined(__SANITIZE_ADDRESS__)
  constexpr rlim_t kMemory = 6ULL << 30;  // a tree at its limits takes 3 GiB
  const rlimit memory{kMemory, kMemory};
  ::setrlimit(RLIMIT_AS, &memory);  // a caller's lower limit stays
#endif
  const rlimit none{0, 0};
  return ::setrlimit(RLIMIT_CORE, &none) == 0 ? Result<void>() : failed("setrlimit", errno);
}

}  // namespace

Result<void> give_up_privileges(bool reads_folder) {
  ::syscall(SYS_close_range, static_cast<unsigned>(kScratch) + 1, ~0U, 0);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("PR_SET_NO_NEW_PRIVS", errno);
  if (auto set = set_limits(); !set) return set;
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a limit on files' sizes is an error to tell
  if (!reads_folder)
    if (auto dropped = drop_ids(); !dropped) return dropped;
  if (auto dropped = drop_capabilities(reads_folder); !dropped) return dropped;
  // After the ids, whose change undoes both. The caller's thread waits for us as long as it lives.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed("PR_SET_DUMPABLE", errno);
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return failed("PR_SET_PDEATHSIG", errno);
  if (auto closed = close_file_system(reads_folder); !closed) return closed;
  return filter_system_calls(reads_folder);
}

}  // namespace sandstone::image
