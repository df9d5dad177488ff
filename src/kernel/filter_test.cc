#include "kernel/filter.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sandstone::kernel {
namespace {

constexpr uint32_t kEperm = SECCOMP_RET_ERRNO | EPERM;
constexpr uint32_t kEnosys = SECCOMP_RET_ERRNO | ENOSYS;

// What the host's kernel would make of it: the few instructions that these filters consist of.
uint32_t judge(const Filter& filter, const seccomp_data& call) {
  const sock_fprog& program = *filter.program();
  uint32_t word = 0;
  for (size_t at = 0; at < program.len; ++at) {
    const sock_filter& step = program.filter[at];
    bool yes = false;
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&word, reinterpret_cast<const char*>(&call) + step.k, sizeof word);
        continue;
      case BPF_JMP | BPF_JA:
        at += step.k;
        continue;
      case BPF_RET | BPF_K:
        return step.k;
      case BPF_JMP | BPF_JEQ | BPF_K:
        yes = word == step.k;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        yes = word >= step.k;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        yes = (word & step.k) != 0;
        break;
      default:
        ADD_FAILURE() << "instruction " << step.code;
        return SECCOMP_RET_ALLOW;
    }
    at += yes ? step.jt : step.jf;
  }
  ADD_FAILURE() << "it has no end";
  return SECCOMP_RET_ALLOW;
}

uint32_t domain(long number, uint64_t first = 0, uint64_t second = 0, uint32_t machine = AUDIT_ARCH_X86_64) {
  return judge(domain_filter(), {static_cast<int>(number), machine, 0, {first, second, 0, 0, 0, 0}});
}

constexpr long kWaysOut[] = {  // what opens, makes or changes files, or gets descriptors from elsewhere
    SYS_open, SYS_openat, SYS_openat2, SYS_creat, SYS_open_by_handle_at, SYS_name_to_handle_at,
    SYS_memfd_create, SYS_dup, SYS_dup2, SYS_dup3, SYS_fcntl, SYS_pidfd_open, SYS_pidfd_getfd, SYS_unlink,
    SYS_rename, SYS_mkdir, SYS_mknod, SYS_chmod, SYS_chown, SYS_truncate, SYS_chdir, SYS_fchdir, SYS_stat,
    SYS_getdents64,
    // the network, and messages
    SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_sendto,
    SYS_sendmsg, SYS_recvmsg, SYS_shmget, SYS_msgget, SYS_semget, SYS_mq_open,
    // other processes
    SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise,
    SYS_kill, SYS_tkill, SYS_rt_sigqueueinfo, SYS_pidfd_send_signal, SYS_kcmp, SYS_prlimit64, SYS_setpriority,
    SYS_clone3, SYS_fork, SYS_vfork,
    // mounts and namespaces
    SYS_mount, SYS_umount2, SYS_fsopen, SYS_open_tree, SYS_move_mount, SYS_mount_setattr, SYS_pivot_root,
    SYS_chroot, SYS_setns, SYS_unshare,
    // identity, and the kernel's own
    SYS_setuid, SYS_setgid, SYS_setgroups, SYS_capset, SYS_prctl, SYS_bpf, SYS_perf_event_open,
    SYS_userfaultfd, SYS_io_uring_setup, SYS_keyctl, SYS_add_key, SYS_init_module, SYS_finit_module,
    SYS_kexec_load, SYS_reboot, SYS_syslog, SYS_swapon, SYS_sethostname, SYS_settimeofday, SYS_clock_settime,
    SYS_modify_ldt, SYS_iopl, SYS_ioperm, SYS_personality};

TEST(DomainFilter, LeavesAFewDozenCalls) {
  EXPECT_LE(domain_calls().size(), 45U);
  EXPECT_GE(domain_calls().size(), 30U);
}

TEST(DomainFilter, NoneOfThemGetsOutOrAtAnybody) {
  const auto calls = domain_calls();
  for (const long number : kWaysOut) {
    EXPECT_EQ(std::ranges::count(calls, static_cast<uint32_t>(number)), 0) << number;
    EXPECT_EQ(domain(number), kEnosys) << number;
  }
}

TEST(DomainFilter, AllowsWhatItListsAndNothingElse) {
  const auto calls = domain_calls();
  for (long number = 0; number < 1024; ++number) {
    const bool listed = std::ranges::count(calls, static_cast<uint32_t>(number)) != 0;
    const uint64_t second = number == SYS_ioctl ? TIOCGWINSZ : 0;
    EXPECT_EQ(domain(number, 0, second), listed ? SECCOMP_RET_ALLOW : kEnosys) << number;
  }
  EXPECT_EQ(domain(-1), kEnosys);
}

TEST(DomainFilter, OtherTablesAreNoWayIn) {
  EXPECT_EQ(domain(5, 0, 0, AUDIT_ARCH_I386), SECCOMP_RET_KILL_PROCESS);  // open, in theirs
  EXPECT_EQ(domain(SYS_getpid, 0, 0, AUDIT_ARCH_I386), SECCOMP_RET_KILL_PROCESS);
  for (const uint32_t number : domain_calls())
    EXPECT_EQ(domain(0x40000000L | number), kEnosys) << "x32 " << number;
}

TEST(DomainFilter, ProcessesComeWithoutNamespaces) {
  EXPECT_EQ(domain(SYS_clone, SIGCHLD), SECCOMP_RET_ALLOW);
  EXPECT_EQ(domain(SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD),
            SECCOMP_RET_ALLOW);
  for (const uint64_t flag : {CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID,
                              CLONE_NEWNET, CLONE_NEWCGROUP}) {
    EXPECT_EQ(domain(SYS_clone, flag | SIGCHLD), kEperm) << std::hex << flag;
    EXPECT_EQ(domain(SYS_clone, flag | SIGCHLD | 1UL << 40), kEperm)
        << "with a bit that the kernel does not look at";
  }
}

TEST(DomainFilter, ThreadsMoveThemselvesAlone) {
  EXPECT_EQ(domain(SYS_sched_setaffinity), SECCOMP_RET_ALLOW);
  for (const uint64_t pid : {uint64_t{1}, uint64_t{4711}, uint64_t{0xffffffff}})
    EXPECT_EQ(domain(SYS_sched_setaffinity, pid), kEperm) << pid;
}

TEST(DomainFilter, TerminalsAreMeasuredAndNotDriven) {
  for (const uint64_t request : {TIOCSTI, TIOCLINUX, TIOCSETD, TIOCSCTTY, TIOCSWINSZ, TCSETS, FIONREAD})
    EXPECT_EQ(domain(SYS_ioctl, 0, request), kEperm) << std::hex << request;
  EXPECT_EQ(domain(SYS_ioctl, 0, TIOCSTI | 1UL << 32), kEperm);
  EXPECT_EQ(domain(SYS_ioctl, 0, TIOCGWINSZ), SECCOMP_RET_ALLOW);
}

// Mode unotify: what the library kernel's process is left with, which there is no part of the guests' domain.
TEST(ServingFilter, AddsTheGuestsMemoryAndNotifications) {
  const auto serving = [](long number, uint64_t second = 0) {
    return judge(serving_filter(), {static_cast<int>(number), AUDIT_ARCH_X86_64, 0, {0, second, 0, 0, 0, 0}});
  };
  for (const long number : kWaysOut) {
    const bool memory = number == SYS_process_vm_readv || number == SYS_process_vm_writev;
    EXPECT_EQ(serving(number), memory ? SECCOMP_RET_ALLOW : kEnosys) << number;
  }
  EXPECT_EQ(serving(SYS_ioctl, SECCOMP_IOCTL_NOTIF_RECV), SECCOMP_RET_ALLOW);
  EXPECT_EQ(serving(SYS_ioctl, SECCOMP_IOCTL_NOTIF_SEND), SECCOMP_RET_ALLOW);
  for (const uint64_t request : {uint64_t{SECCOMP_IOCTL_NOTIF_ADDFD}, uint64_t{TIOCSTI}, uint64_t{TIOCLINUX}})
    EXPECT_EQ(serving(SYS_ioctl, request), kEperm);
}

constexpr uint64_t kNotifyEnd = LIB_RUNTIME + 0x1234;

uint32_t notifying(long number, uint64_t from, uint64_t first = 0, uint32_t machine = AUDIT_ARCH_X86_64) {
  static const Filter filter = notifying_filter(kNotifyEnd);
  return judge(filter, {static_cast<int>(number), machine, from, {first, 0, 0, 0, 0, 0}});
}

TEST(NotifyingFilter, AGuestsOwnCodeMakesNoCallOfTheHosts) {
  for (long number = 0; number < 1024; ++number) {
    const uint32_t answer = notifying(number, 0x400000);
    EXPECT_TRUE(answer == SECCOMP_RET_USER_NOTIF || answer == SECCOMP_RET_TRAP) << number;
  }
  EXPECT_EQ(notifying(SYS_openat, 0x400000), SECCOMP_RET_USER_NOTIF);
  for (const uint32_t number : {0x40000000U, 0x40000000U | SYS_openat, 0xffffffffU})
    EXPECT_EQ(notifying(number, 0x400000), SECCOMP_RET_TRAP);
  EXPECT_EQ(notifying(SYS_getpid, 0x400000, 0, AUDIT_ARCH_I386), SECCOMP_RET_KILL_PROCESS);
}

TEST(NotifyingFilter, TheRunTimesTextHasLessThanTheDomain) {
  constexpr uint64_t kText = LIB_RUNTIME + 0x5678;
  size_t allowed = 0;
  for (long number = 0; number < 1024; ++number) {
    const uint32_t answer = notifying(number, kText);
    if (answer == SECCOMP_RET_ALLOW) ++allowed;
    EXPECT_TRUE(answer == SECCOMP_RET_ALLOW || answer == kEnosys || (number == SYS_ioctl && answer == kEperm))
        << number;
  }
  EXPECT_LE(allowed, 45U);
  for (const long number : kWaysOut) EXPECT_EQ(notifying(number, kText), kEnosys) << number;
  for (const long number :
       {SYS_tgkill, SYS_read, SYS_write, SYS_pwrite64, SYS_ftruncate, SYS_seccomp, SYS_wait4})
    EXPECT_EQ(notifying(number, kText), kEnosys) << number;
  EXPECT_EQ(notifying(SYS_clone, kText, CLONE_NEWUSER | SIGCHLD), kEperm);
  EXPECT_EQ(notifying(SYS_getpid, kText, 0, AUDIT_ARCH_I386), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(notifying(SYS_openat, kNotifyEnd), SECCOMP_RET_USER_NOTIF);
}

TEST(GuestFilter, CallsFromOutsideOurTextTrap) {
  const auto from = [](uint64_t address) {
    return judge(guest_filter(), {SYS_openat, AUDIT_ARCH_X86_64, address, {}});
  };
  for (const uint64_t address :
       {uint64_t{0}, uint64_t{0x400000}, uint64_t{LIB_BASE - 1}, uint64_t{LIB_END}, uint64_t{0x7ffff7ff0000}})
    EXPECT_EQ(from(address), SECCOMP_RET_TRAP) << std::hex << address;
  for (const uint64_t address : {LIB_BASE + LIB_IMAGE_OFFSET, LIB_RUNTIME, LIB_END - 1})
    EXPECT_EQ(from(address), SECCOMP_RET_ALLOW);
}

}  // namespace
}  // namespace sandstone::kernel
