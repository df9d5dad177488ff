#include "kernel/filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <initializer_list>

#include "base/fd.h"
#include "base/sys.h"
#include "calls/table.h"
#include "walls/seccomp_policy.h"

namespace sandstone::kernel {
namespace {

// Of the library kernel's process and of every guest's run-time.
constexpr std::array kEverywhere = {
    // memory, of one's own
    SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_mincore, SYS_mlock, SYS_munlock,
    // threads and processes without new namespaces, and their end
    SYS_clone, SYS_exit, SYS_exit_group, SYS_getpid, SYS_gettid, SYS_set_tid_address, SYS_arch_prctl,
    // waiting for each other
    SYS_futex, SYS_membarrier, SYS_sched_yield, SYS_sched_getaffinity, SYS_sched_setaffinity, SYS_getcpu,
    // signals, of one's own
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack, SYS_restart_syscall,
    // clocks and counts
    SYS_clock_gettime, SYS_getrusage};

constexpr std::array kWithKernel = {
    // what is open: streams, the memory file, rewritten text
    SYS_read, SYS_write, SYS_pwrite64, SYS_ftruncate, SYS_close, SYS_poll,
    // the C library's
    SYS_brk, SYS_set_robust_list, SYS_rseq, SYS_clock_nanosleep,
    // the end of children, and signals for them
    SYS_wait4, SYS_rt_sigtimedwait, SYS_tgkill,
    // the size of the terminal, and a stricter filter
    SYS_ioctl, SYS_seccomp};

// Where the library kernel is out of the guests' reach.
constexpr std::array kGuestsAlone = {SYS_mlock2, SYS_mlockall, SYS_munlockall, SYS_close_range};

template <size_t A, size_t B>
constexpr std::array<uint32_t, A + B> joined(const std::array<int, A>& a, const std::array<int, B>& b) {
  std::array<uint32_t, A + B> both{};
  std::copy(b.begin(), b.end(), std::copy(a.begin(), a.end(), both.begin()));
  return both;
}
constexpr auto kCalls = joined(kEverywhere, kWithKernel);
constexpr auto kGuestsCalls = joined(kEverywhere, kGuestsAlone);

// What clone(2) can ask for: the bit of a time namespace is a part of the signal's there.
constexpr uint32_t kNewNamespaces =
    CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;

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

using Code = std::vector<sock_filter>;

void append(Code& to, const Code& code) {
  to.insert(to.end(), code.begin(), code.end());
}

// Of the ranges, each its first number and what it gives, the one that the accumulator's number is in. By
// halves: the kernel remembers what all filters allow, but a call that one of them traps passes them all each
// time.
using Range = std::pair<uint32_t, uint32_t>;
Code search(std::span<const Range> ranges) {
  if (ranges.size() == 1) return {result(ranges[0].second)};
  const size_t middle = ranges.size() / 2;
  const Code below = search(ranges.first(middle));
  Code code = {at_least(ranges[middle].first, static_cast<uint8_t>(below.size()), 0)};
  append(code, below);
  append(code, search(ranges.subspan(middle)));
  return code;
}

// What `answer_of` says of the accumulator's number.
template <typename AnswerOf>
Code decide(AnswerOf&& answer_of) {
  std::vector<Range> ranges;
  for (uint32_t number = 0; number <= calls::kLastNumber + 1; ++number) {
    const uint32_t answer = answer_of(number);
    if (ranges.empty() || ranges.back().second != answer) ranges.emplace_back(number, answer);
  }
  return search(ranges);
}

Code allow_only(std::span<const uint32_t> calls, std::initializer_list<uint32_t> ioctls) {
  Code code = {
      load(offsetof(seccomp_data, arch)),
      equals(AUDIT_ARCH_X86_64, 1, 0),
      result(SECCOMP_RET_KILL_PROCESS),
      load(offsetof(seccomp_data, nr)),
      equals(SYS_clone, 0, 3),
      load(offsetof(seccomp_data, args)),
      has_any(kNewNamespaces, 0, 1),
      result(SECCOMP_RET_ERRNO | EPERM),
      load(offsetof(seccomp_data, nr)),
      equals(SYS_sched_setaffinity, 0, 4),  // of oneself alone
      load(offsetof(seccomp_data, args)),
      equals(0, 1, 0),
      result(SECCOMP_RET_ERRNO | EPERM),
      load(offsetof(seccomp_data, nr)),
      equals(SYS_ioctl, 0, static_cast<uint8_t>(2 + ioctls.size())),
      load(offsetof(seccomp_data, args) + 8),
  };
  size_t left = ioctls.size();
  for (const uint32_t request : ioctls) code.push_back(equals(request, static_cast<uint8_t>(left--), 0));
  code.push_back(result(SECCOMP_RET_ERRNO | EPERM));
  code.push_back(load(offsetof(seccomp_data, nr)));
  append(code, decide([calls](uint32_t number) {
           const bool allowed = std::find(calls.begin(), calls.end(), number) != calls.end();
           return allowed ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | ENOSYS;
         }));
  return code;
}

// Of two filters the stricter answer counts, and a refusal is stricter than a notification: what the jail's
// filter refuses, or looks at more closely, goes by way of the run-time, whose notifications have one number.
bool notifies(uint32_t number) {
  const calls::Call* call = calls::find(number);
  if (call == nullptr || call->route != calls::Route::library) return false;
  for (const walls::Rule& rule : walls::full_policy())
    if (rule.number == number) return rule.verdict.kind == walls::Verdict::Kind::allow;
  return false;
}

Code guests_own_code() {
  Code code = {load(offsetof(seccomp_data, nr))};
  append(code, decide([](uint32_t number) {
           return notifies(number) ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_TRAP;
         }));
  return code;
}

}  // namespace

std::span<const uint32_t> domain_calls() {
  return kCalls;
}

Filter domain_filter() {
  return Filter(allow_only(kCalls, {TIOCGWINSZ}));
}

Filter serving_filter() {
  std::vector<uint32_t> calls(std::begin(kCalls), std::end(kCalls));
  calls.insert(calls.end(), {SYS_process_vm_readv, SYS_process_vm_writev, SYS_waitid});
  return Filter(allow_only(calls, {TIOCGWINSZ, static_cast<uint32_t>(SECCOMP_IOCTL_NOTIF_RECV),
                                   static_cast<uint32_t>(SECCOMP_IOCTL_NOTIF_SEND)}));
}

Filter notifying_filter(uint64_t notify_end) {
  std::vector<sock_filter> runtime = {
      load(offsetof(seccomp_data, instruction_pointer)),
      equals(static_cast<uint32_t>(notify_end), 0, 1),
      result(SECCOMP_RET_USER_NOTIF),
  };
  append(runtime, allow_only(kGuestsCalls, {}));
  std::vector<sock_filter> code = {
      load(offsetof(seccomp_data, arch)),
      equals(AUDIT_ARCH_X86_64, 1, 0),
      result(SECCOMP_RET_KILL_PROCESS),
      load(offsetof(seccomp_data, instruction_pointer) + 4),
      equals(static_cast<uint32_t>(notify_end >> 32), 1, 0),
      {BPF_JMP | BPF_JA, 0, 0, static_cast<uint32_t>(runtime.size())},
  };
  append(code, runtime);
  append(code, guests_own_code());
  return Filter(std::move(code));
}

Filter guest_filter() {
  constexpr uint32_t kFirst = LIB_BASE >> 32;  // the library kernel, and then the run-time
  constexpr uint32_t kLast = LIB_END >> 32;
  return Filter({
      load(offsetof(seccomp_data, instruction_pointer) + 4),
      at_least(kFirst, 0, 1),
      at_least(kLast, 0, 1),
      result(SECCOMP_RET_TRAP),
      result(SECCOMP_RET_ALLOW),
  });
}

Result<void> confine(const Filter& filter, Confine whom) {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const unsigned flags = whom == Confine::all_threads ? SECCOMP_FILTER_FLAG_TSYNC : 0;
  long refused = 0;
  // A positive answer names a thread whose filters are others, ESRCH is one without a name: one that has just
  // ended, as this process has no other.
  for (int tries = 0; tries < 10'000; ++tries) {
    refused = sys::call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, sys::word(filter.program()));
    if (refused <= 0 && refused != -ESRCH) break;
    ::usleep(100);
  }
  if (refused == 0) return {};
  return system_error("wall seccomp", "cannot confine the library kernel",
                      refused < 0 ? static_cast<int>(-refused) : ESRCH);
}

}  // namespace sandstone::kernel
