#include "net/process/harden.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>
#include <memory>

#include "base/fd.h"

namespace sandstone::net {
namespace {

constexpr uid_t kNobody = 65534;

Error failed(const char* what, int err) {
  return system_error("network", what, err);
}

// Each connection of the workload holds a descriptor and up to 256 KiB here.
constexpr rlim_t kMaxDescriptors = 1024;

Result<void> set_limit(__rlimit_resource resource, rlim_t most) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0) return failed("getrlimit", errno);
  limit.rlim_max = std::min(limit.rlim_max, most);
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(resource, &limit) != 0) return failed("setrlimit", errno);
  return {};
}

Result<void> drop_ids() {
  if (::geteuid() != 0) return {};
  for (int capability = 0; capability <= 63; ++capability)
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) break;  // EINVAL: past the kernel's last
  // In a user namespace that does not map nobody, root has no other id to become: it loses its capabilities
  // below.
  if (::setgroups(0, nullptr) != 0 && errno != EPERM) return failed("setgroups", errno);
  if (::setresgid(kNobody, kNobody, kNobody) != 0 && errno != EINVAL && errno != EPERM)
    return failed("setresgid", errno);
  if (::setresuid(kNobody, kNobody, kNobody) != 0 && errno != EINVAL && errno != EPERM)
    return failed("setresuid", errno);
  return {};
}

Result<void> drop_capabilities() {
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2] = {};
  if (::syscall(SYS_capset, &header, none) != 0) return failed("capset", errno);
  return {};
}

// A ruleset that handles every right and grants none. The seccomp filter says the same once more.
Result<void> close_file_system() {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return {};  // this kernel has none
  struct {
    uint64_t files;
    uint64_t ports;
    uint64_t scopes;
  } rights{};
  constexpr unsigned kFileRights[] = {13, 14, 15, 15, 16};  // by ABI 1 to 5: landlock(7)
  rights.files = (1ULL << kFileRights[std::min<long>(abi, 5) - 1]) - 1;
  if (abi >= 4) rights.ports = 1;   // binding TCP ports: the forwarded ones are bound
  if (abi >= 6) rights.scopes = 3;  // abstract sockets and signals outside
  const size_t size = abi >= 6 ? sizeof rights : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
  const Fd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rights, size, 0)));
  if (!ruleset.valid()) return failed("landlock_create_ruleset", errno);
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
    return failed("landlock_restrict_self", errno);
  return {};
}

#if !defined(__SANITIZE_ADDRESS__)

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
  // Sockets of the internet, and no raw ones.
  for (const int family : {AF_INET, AF_INET6})
    for (const int type : {SOCK_STREAM, SOCK_DGRAM})
      allow(SCMP_SYS(socket), {SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(family)),
                               SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, static_cast<scmp_datum_t>(type))});
  allow(SCMP_SYS(socketpair), {SCMP_A0(SCMP_CMP_EQ, AF_UNIX)});
  for (const int command : {F_GETFL, F_SETFL, F_GETFD, F_SETFD})
    allow(SCMP_SYS(fcntl), {SCMP_A1(SCMP_CMP_EQ, static_cast<scmp_datum_t>(command))});
  allow(SCMP_SYS(ioctl), {SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, 0x541b)});  // FIONREAD
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)})                 // nothing becomes code
    allow(call, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
  if (status == 0) status = ::seccomp_load(filter.get());
  return status == 0 ? Result<void>() : failed("seccomp", -status);
}

#else

Result<void> filter_system_calls() {
  return {};
}  // the sanitizer's runtime needs calls of its own

#endif

}  // namespace

Result<void> isolate(int last_kept) {
  ::syscall(SYS_close_range, static_cast<unsigned>(last_kept) + 1, ~0U, 0);
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed("PR_SET_DUMPABLE", errno);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("PR_SET_NO_NEW_PRIVS", errno);
  for (const auto& [resource, most] : std::initializer_list<std::pair<__rlimit_resource, rlim_t>>{
           {RLIMIT_CORE, 0}, {RLIMIT_NOFILE, kMaxDescriptors}, {RLIMIT_FSIZE, 0}})
    if (auto set = set_limit(resource, most); !set) return set;
  ::signal(SIGPIPE, SIG_IGN);
  return {};
}

Result<void> give_up_privileges() {
  if (auto dropped = drop_ids(); !dropped) return dropped;
  if (auto dropped = drop_capabilities(); !dropped) return dropped;
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return failed("PR_SET_DUMPABLE", errno);  // changing ids may reset it
  if (auto closed = close_file_system(); !closed) return closed;
  return filter_system_calls();
}

}  // namespace sandstone::net
