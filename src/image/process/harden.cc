#include "image/process/harden.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>

#include <cerrno>
#include <span>

#include "base/fd.h"
#include "harden/call_filter.h"
#include "harden/harden.h"
#include "image/wire.h"

namespace sandstone::image {
namespace {

const std::string kWho = "image";

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
  harden::CallFilter filter;
  filter.allow(kAllowed);
  filter.allow_fcntl({F_GETFL, F_SETFD, F_GETFD, F_DUPFD_CLOEXEC});
  filter.allow_memory();
  if (reads_folder) {
    filter.allow(kForFolders);
    filter.allow(SCMP_SYS(openat), {SCMP_A2(SCMP_CMP_MASKED_EQ, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, 0)});
  } else {
    filter.allow(SCMP_SYS(newfstatat),
                 {SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH)});  // glibc's fstat()
  }
  return filter.load(kWho);
}

}  // namespace

Result<void> give_up_privileges(bool reads_folder) {
  if (auto isolated = harden::isolate(kWho, kScratch); !isolated) return isolated;
#if !defined(__SANITIZE_ADDRESS__)
  constexpr rlim_t kMemory = 6ULL << 30;  // a tree at its limits takes 3 GiB
  if (auto set = harden::set_limit(kWho, RLIMIT_AS, kMemory); !set) return set;
#endif
  ::signal(SIGXFSZ, SIG_IGN);  // a limit on files' sizes is an error to tell
  if (!reads_folder)
    if (auto dropped = harden::drop_ids(kWho); !dropped) return dropped;
  const uint32_t kept = reads_folder ? 1U << CAP_DAC_READ_SEARCH : 0;
  if (auto dropped = harden::drop_capabilities(kWho, kept); !dropped) return dropped;
  // After the ids, whose change undoes both. The caller's thread waits for us as long as it lives.
  if (auto hidden = harden::hide(kWho); !hidden) return hidden;
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return system_error(kWho, "PR_SET_PDEATHSIG", errno);
  constexpr int kFolders[] = {kSource};
  const std::span<const int> readable = std::span(kFolders).first(reads_folder ? 1 : 0);
  if (auto closed = harden::close_file_system(kWho, {.readable = readable}); !closed) return closed;
  return filter_system_calls(reads_folder);
}

}  // namespace sandstone::image
