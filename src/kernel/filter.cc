#include "kernel/filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>

namespace sandstone::kernel {
namespace {

constexpr uint32_t kCalls[] = {
    // memory, of one's own
    SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_mincore, SYS_brk, SYS_mlock, SYS_munlock,
    // what is open: streams, the memory file, rewritten text
    SYS_read, SYS_write, SYS_pwrite64, SYS_ftruncate, SYS_close, SYS_poll,
    // threads and processes without new namespaces, and their end
    SYS_clone, SYS_exit, SYS_exit_group, SYS_wait4, SYS_getpid, SYS_gettid, SYS_set_tid_address, SYS_set_robust_list, SYS_rseq,
    SYS_arch_prctl,
    // waiting for each other
    SYS_futex, SYS_membarrier, SYS_sched_yield, SYS_sched_getaffinity, SYS_getcpu,
    // signals
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigtimedwait, SYS_sigaltstack, SYS_tgkill, SYS_restart_syscall,
    // clocks and counts
    SYS_clock_gettime, SYS_clock_nanosleep, SYS_getrusage, SYS_times,
    // the size of the terminal, and a stricter filter
    SYS_ioctl, SYS_seccomp,
};

// The last of the kernel's own processes' set-up calls that are looked at more closely.
constexpr uint32_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;

constexpr sock_filter load(uint32_t offset) {
  return {BPF_LD | BPF_W | BPF_ABS, 0, 0, offset};
}
constexpr sock_filter equals(uint32_t value, uint8_t yes, uint8_t no) {
  return {BPF_JMP | BPF_JEQ | BPF_K, yes, no, value};
}
constexpr sock_filter at_least(uint32_t value, uint8_t yes, uint8_t no) {
  return {BPF_JMP | BPF_JGE | BPF_K, yes, no, value};
}
constexpr sock_filter has_any(uint32_t bits, uint8_t yes, uint8_t no) {
  return {BPF_JMP | BPF_JSET | BPF_K, yes, no, bits};
}
constexpr sock_filter result(uint32_t value) {
  return {BPF_RET | BPF_K, 0, 0, value};
}

}  // namespace

std::span<const uint32_t> domain_calls() {
  return kCalls;
}

Filter domain_filter() {
  std::vector<sock_filter> code = {
      load(offsetof(seccomp_data, arch)),
      equals(AUDIT_ARCH_X86_64, 1, 0),
      result(SECCOMP_RET_KILL_PROCESS),
      load(offsetof(seccomp_data, nr)),
      equals(SYS_clone, 0, 3),
      load(offsetof(seccomp_data, args)),
      has_any(kNewNamespaces, 0, 1),
      result(SECCOMP_RET_ERRNO | EPERM),
      load(offsetof(seccomp_data, nr)),
      equals(SYS_ioctl, 0, 3),
      load(offsetof(seccomp_data, args) + 8),
      equals(TIOCGWINSZ, 1, 0),
      result(SECCOMP_RET_ERRNO | EPERM),
      load(offsetof(seccomp_data, nr)),
  };
  size_t left = std::size(kCalls);
  for (const uint32_t number : kCalls) code.push_back(equals(number, static_cast<uint8_t>(left--), 0));
  code.push_back(result(SECCOMP_RET_ERRNO | ENOSYS));
  code.push_back(result(SECCOMP_RET_ALLOW));
  return Filter(std::move(code));
}

Filter guest_filter() {
  constexpr uint32_t kFirst = LIB_RUNTIME >> 32;
  constexpr uint32_t kLast = LIB_END >> 32;
  return Filter({
      load(offsetof(seccomp_data, instruction_pointer) + 4),
      at_least(kFirst, 0, 1),
      at_least(kLast, 0, 1),
      result(SECCOMP_RET_TRAP),
      result(SECCOMP_RET_ALLOW),
  });
}

}  // namespace sandstone::kernel
