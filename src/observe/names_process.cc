#include "observe/names.h"

#include <asm/prctl.h>
#include <fmt/format.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <csignal>
#include <ctime>

namespace sandstone::observe {
namespace {

#define N SANDSTONE_NAME

constexpr Name kClone[] = {N(CLONE_VM),
                           N(CLONE_FS),
                           N(CLONE_FILES),
                           N(CLONE_SIGHAND),
                           N(CLONE_PIDFD),
                           N(CLONE_PTRACE),
                           N(CLONE_VFORK),
                           N(CLONE_PARENT),
                           N(CLONE_THREAD),
                           N(CLONE_NEWNS),
                           N(CLONE_SYSVSEM),
                           N(CLONE_SETTLS),
                           N(CLONE_PARENT_SETTID),
                           N(CLONE_CHILD_CLEARTID),
                           N(CLONE_DETACHED),
                           N(CLONE_UNTRACED),
                           N(CLONE_CHILD_SETTID),
                           N(CLONE_NEWCGROUP),
                           N(CLONE_NEWUTS),
                           N(CLONE_NEWIPC),
                           N(CLONE_NEWUSER),
                           N(CLONE_NEWPID),
                           N(CLONE_NEWNET),
                           N(CLONE_IO),
                           {0x100000000, "CLONE_CLEAR_SIGHAND"},
                           {0x200000000, "CLONE_INTO_CGROUP"}};

constexpr Name kWait[] = {N(WNOHANG),
                          N(WSTOPPED),
                          N(WEXITED),
                          N(WCONTINUED),
                          N(WNOWAIT),
                          {0x20000000, "__WNOTHREAD"},
                          {0x40000000, "__WALL"},
                          {0x80000000, "__WCLONE"}};

constexpr Name kMaskHow[] = {N(SIG_BLOCK), N(SIG_UNBLOCK), N(SIG_SETMASK)};

constexpr Name kResources[] = {
    N(RLIMIT_CPU),           N(RLIMIT_FSIZE),     N(RLIMIT_DATA),        N(RLIMIT_STACK),
    N(RLIMIT_CORE),          {5, "RLIMIT_RSS"},   {6, "RLIMIT_NPROC"},   N(RLIMIT_NOFILE),
    {8, "RLIMIT_MEMLOCK"},   N(RLIMIT_AS),        {10, "RLIMIT_LOCKS"},  {11, "RLIMIT_SIGPENDING"},
    {12, "RLIMIT_MSGQUEUE"}, {13, "RLIMIT_NICE"}, {14, "RLIMIT_RTPRIO"}, {15, "RLIMIT_RTTIME"}};

constexpr Name kPrctl[] = {N(PR_SET_PDEATHSIG),
                           N(PR_GET_PDEATHSIG),
                           N(PR_GET_DUMPABLE),
                           N(PR_SET_DUMPABLE),
                           N(PR_GET_KEEPCAPS),
                           N(PR_SET_KEEPCAPS),
                           N(PR_SET_NAME),
                           N(PR_GET_NAME),
                           N(PR_GET_SECCOMP),
                           N(PR_SET_SECCOMP),
                           N(PR_CAPBSET_READ),
                           N(PR_CAPBSET_DROP),
                           N(PR_GET_TSC),
                           N(PR_SET_TSC),
                           N(PR_GET_SECUREBITS),
                           N(PR_SET_SECUREBITS),
                           N(PR_SET_TIMERSLACK),
                           N(PR_GET_TIMERSLACK),
                           N(PR_SET_MM),
                           N(PR_SET_CHILD_SUBREAPER),
                           N(PR_GET_CHILD_SUBREAPER),
                           N(PR_SET_NO_NEW_PRIVS),
                           N(PR_GET_NO_NEW_PRIVS),
                           N(PR_GET_TID_ADDRESS),
                           N(PR_SET_THP_DISABLE),
                           N(PR_GET_THP_DISABLE),
                           N(PR_CAP_AMBIENT),
                           N(PR_GET_SPECULATION_CTRL),
                           N(PR_SET_SPECULATION_CTRL),
                           N(PR_SET_PTRACER),
                           {0x53564d41, "PR_SET_VMA"}};

constexpr Name kArch[] = {N(ARCH_SET_GS),
                          N(ARCH_SET_FS),
                          N(ARCH_GET_FS),
                          N(ARCH_GET_GS),
                          N(ARCH_GET_CPUID),
                          N(ARCH_SET_CPUID),
                          {0x3001, "ARCH_CET_STATUS"},
                          {0x5005, "ARCH_SHSTK_STATUS"}};

constexpr Name kClocks[] = {N(CLOCK_REALTIME),
                            N(CLOCK_MONOTONIC),
                            N(CLOCK_PROCESS_CPUTIME_ID),
                            N(CLOCK_THREAD_CPUTIME_ID),
                            N(CLOCK_MONOTONIC_RAW),
                            N(CLOCK_REALTIME_COARSE),
                            N(CLOCK_MONOTONIC_COARSE),
                            N(CLOCK_BOOTTIME),
                            N(CLOCK_REALTIME_ALARM),
                            N(CLOCK_BOOTTIME_ALARM),
                            N(CLOCK_TAI)};

constexpr Name kTimer[] = {{1, "TIMER_ABSTIME"}, {2, "TFD_TIMER_CANCEL_ON_SET"}};

constexpr Name kIntervals[] = {{0, "ITIMER_REAL"}, {1, "ITIMER_VIRTUAL"}, {2, "ITIMER_PROF"}};

constexpr Name kUsage[] = {{0, "RUSAGE_SELF"}, {1, "RUSAGE_THREAD"}, {0xffffffff, "RUSAGE_CHILDREN"}};

constexpr Name kIds[] = {{0, "P_ALL"}, {1, "P_PID"}, {2, "P_PGID"}, {3, "P_PIDFD"}};

constexpr Name kPriority[] = {{0, "PRIO_PROCESS"}, {1, "PRIO_PGRP"}, {2, "PRIO_USER"}};

constexpr Name kPolicies[] = {{0, "SCHED_OTHER"}, {1, "SCHED_FIFO"}, {2, "SCHED_RR"},
                              {3, "SCHED_BATCH"}, {5, "SCHED_IDLE"}, {6, "SCHED_DEADLINE"}};

#undef N

}  // namespace

std::string named_process_word(calls::Kind kind, uint64_t value) {
  using enum calls::Kind;
  switch (kind) {
    case clone_flags:
      return set_of(kClone, value);
    case wait_options:
      return set_of(kWait, static_cast<uint32_t>(value));
    case mask_how:
      return one_of(kMaskHow, static_cast<uint32_t>(value));
    case resource:
      return one_of(kResources, static_cast<uint32_t>(value));
    case prctl_option:
      return one_of(kPrctl, static_cast<uint32_t>(value));
    case arch_prctl_code:
      return one_of(kArch, static_cast<uint32_t>(value));
    case clock:
      return one_of(kClocks, static_cast<uint32_t>(value));
    case timer_flags:
      return set_of(kTimer, static_cast<uint32_t>(value));
    case interval_timer:
      return one_of(kIntervals, static_cast<uint32_t>(value));
    case usage_who:
      return one_of(kUsage, static_cast<uint32_t>(value));
    case id_type:
      return one_of(kIds, static_cast<uint32_t>(value));
    case priority_who:
      return one_of(kPriority, static_cast<uint32_t>(value));
    case sched_policy:
      return one_of(kPolicies, static_cast<uint32_t>(value));
    case signal:
      return signal_name(value & 0xffffffffU);
    default:
      return {};
  }
}

}  // namespace sandstone::observe
