#include "net/process/harden.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "harden/call_filter.h"
#include "harden/harden.h"

namespace sandstone::net {
namespace {

const std::string kWho = "network";

// Each connection of the workload holds a descriptor and up to 256 KiB here.
constexpr rlim_t kMaxDescriptors = 1024;

constexpr int kAllowed[] = {
    SCMP_SYS(read),           SCMP_SYS(readv),
    SCMP_SYS(write),          SCMP_SYS(writev),
    SCMP_SYS(recvfrom),       SCMP_SYS(recvmsg),
    SCMP_SYS(sendto),         SCMP_SYS(sendmsg),
    SCMP_SYS(connect),        SCMP_SYS(accept),
    SCMP_SYS(accept4),        SCMP_SYS(shutdown),
    SCMP_SYS(getsockname),    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),     SCMP_SYS(setsockopt),
    SCMP_SYS(close),          SCMP_SYS(dup3),
    SCMP_SYS(poll),           SCMP_SYS(ppoll),
    SCMP_SYS(lseek),          SCMP_SYS(brk),
    SCMP_SYS(munmap),         SCMP_SYS(mremap),
    SCMP_SYS(madvise),        SCMP_SYS(futex),
    SCMP_SYS(clock_gettime),  SCMP_SYS(clock_nanosleep),
    SCMP_SYS(gettimeofday),   SCMP_SYS(time),
    SCMP_SYS(getrandom),      SCMP_SYS(getpid),
    SCMP_SYS(gettid),         SCMP_SYS(tgkill),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigreturn),   SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),           SCMP_SYS(exit_group),
};

Result<void> filter_system_calls() {
  harden::CallFilter filter;
  filter.allow(kAllowed);
  // Sockets of the internet, and no raw ones.
  for (const int family : {AF_INET, AF_INET6})
    for (const int type : {SOCK_STREAM, SOCK_DGRAM})
      filter.allow(SCMP_SYS(socket), {SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(family)),
                                      SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, static_cast<scmp_datum_t>(type))});
  filter.allow(SCMP_SYS(socketpair), {SCMP_A0(SCMP_CMP_EQ, AF_UNIX)});
  filter.allow_fcntl({F_GETFL, F_SETFL, F_GETFD, F_SETFD});
  filter.allow(SCMP_SYS(ioctl), {SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, 0x541b)});  // FIONREAD
  filter.allow_memory();
  return filter.load(kWho);
}

}  // namespace

Result<void> isolate(int last_kept) {
  if (auto isolated = harden::isolate(kWho, last_kept); !isolated) return isolated;
  if (auto set = harden::set_limit(kWho, RLIMIT_NOFILE, kMaxDescriptors); !set) return set;
  return harden::set_limit(kWho, RLIMIT_FSIZE, 0);
}

Result<void> give_up_privileges() {
  if (auto dropped = harden::drop_ids(kWho); !dropped) return dropped;
  if (auto dropped = harden::drop_capabilities(kWho); !dropped) return dropped;
  if (auto hidden = harden::hide(kWho); !hidden) return hidden;  // changing ids may reset it
  // The forwarded ports are bound by now.
  if (auto closed = harden::close_file_system(kWho, {.readable = {}, .ports = true, .scopes = true}); !closed)
    return closed;
  return filter_system_calls();
}

}  // namespace sandstone::net
