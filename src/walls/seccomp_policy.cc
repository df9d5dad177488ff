#include "walls/seccomp_policy.h"

#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "walls/seccomp_compile.h"

namespace sandstone::walls {
namespace {

using Kind = Verdict::Kind;

// Numbers that the headers of Debian 12 do not know yet; arch/x86/entry/syscalls/syscall_64.tbl of
// Linux 6.18.
// clang-format off: a line for each would be pages
enum : uint32_t {
  kCachestat = 451, kFchmodat2 = 452, kMapShadowStack = 453, kFutexWake = 454, kFutexWait = 455, kFutexRequeue = 456,
  kStatmount = 457, kListmount = 458, kLsmGetSelfAttr = 459, kLsmSetSelfAttr = 460, kLsmListModules = 461, kMseal = 462,
  kSetxattrat = 463, kGetxattrat = 464, kListxattrat = 465, kRemovexattrat = 466, kOpenTreeAttr = 467, kFileGetattr = 468,
  kFileSetattr = 469,
};
// clang-format on

// What programs need: files, memory, processes, time, sockets, signals. Everything here works on what the
// workload already holds, or is decided by the walls before this one.
// clang-format off: a line for each would be pages
constexpr uint32_t kAllowed[] = {
    // files
    SYS_read, SYS_write, SYS_open, SYS_close, SYS_stat, SYS_fstat, SYS_lstat, SYS_lseek, SYS_pread64, SYS_pwrite64, SYS_readv,
    SYS_writev, SYS_preadv, SYS_pwritev, SYS_preadv2, SYS_pwritev2, SYS_access, SYS_faccessat, SYS_faccessat2, SYS_openat,
    SYS_openat2, SYS_creat, SYS_close_range, SYS_dup, SYS_dup2, SYS_dup3, SYS_fcntl, SYS_flock, SYS_fsync, SYS_fdatasync,
    SYS_sync, SYS_syncfs, SYS_sync_file_range, SYS_truncate, SYS_ftruncate, SYS_fallocate, SYS_fadvise64, SYS_readahead,
    SYS_getdents, SYS_getdents64, SYS_getcwd, SYS_chdir, SYS_fchdir, SYS_rename, SYS_renameat, SYS_renameat2, SYS_mkdir,
    SYS_mkdirat, SYS_rmdir, SYS_link, SYS_linkat, SYS_unlink, SYS_unlinkat, SYS_symlink, SYS_symlinkat, SYS_readlink,
    SYS_readlinkat, SYS_chmod, SYS_fchmod, SYS_fchmodat, SYS_chown, SYS_fchown, SYS_lchown, SYS_fchownat, SYS_umask,
    SYS_mknod, SYS_mknodat, SYS_statfs, SYS_fstatfs, SYS_statx, SYS_newfstatat, SYS_utime, SYS_utimes, SYS_utimensat,
    SYS_futimesat, SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_getxattr, SYS_lgetxattr, SYS_fgetxattr, SYS_listxattr,
    SYS_llistxattr, SYS_flistxattr, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr, SYS_pipe, SYS_pipe2, SYS_sendfile,
    SYS_splice, SYS_tee, SYS_copy_file_range, SYS_inotify_init, SYS_inotify_init1, SYS_inotify_add_watch,
    SYS_inotify_rm_watch, SYS_io_setup, SYS_io_destroy, SYS_io_submit, SYS_io_cancel, SYS_io_getevents, SYS_io_pgetevents,
    SYS_name_to_handle_at, kCachestat, kFchmodat2, kSetxattrat, kGetxattrat, kListxattrat, kRemovexattrat, kFileGetattr,
    kFileSetattr,
    // memory
    SYS_mmap, SYS_mprotect, SYS_munmap, SYS_brk, SYS_mremap, SYS_msync, SYS_mincore, SYS_madvise, SYS_mlock, SYS_mlock2,
    SYS_munlock, SYS_mlockall, SYS_munlockall, SYS_memfd_create, SYS_memfd_secret, SYS_pkey_mprotect, SYS_pkey_alloc,
    SYS_pkey_free, SYS_membarrier, SYS_get_mempolicy, SYS_set_mempolicy, SYS_mbind, SYS_set_mempolicy_home_node,
    kMapShadowStack, kMseal,
    // processes and threads
    SYS_fork, SYS_vfork, SYS_execve, SYS_execveat, SYS_exit, SYS_exit_group, SYS_wait4, SYS_waitid, SYS_kill, SYS_tkill,
    SYS_tgkill, SYS_getpid, SYS_getppid, SYS_gettid, SYS_getpgid, SYS_setpgid, SYS_getpgrp, SYS_setsid, SYS_getsid,
    SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getresuid, SYS_getresgid, SYS_getgroups, SYS_setuid, SYS_setgid,
    SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setfsuid, SYS_setfsgid, SYS_setgroups, SYS_capget,
    SYS_capset, SYS_arch_prctl, SYS_set_tid_address, SYS_set_robust_list, SYS_get_robust_list, SYS_rseq, SYS_futex,
    SYS_futex_waitv, kFutexWake, kFutexWait, kFutexRequeue, SYS_sched_yield, SYS_sched_getaffinity, SYS_sched_setaffinity,
    SYS_sched_getparam, SYS_sched_setparam, SYS_sched_getscheduler, SYS_sched_setscheduler, SYS_sched_getattr,
    SYS_sched_setattr, SYS_sched_get_priority_max, SYS_sched_get_priority_min, SYS_sched_rr_get_interval, SYS_getcpu,
    SYS_getpriority, SYS_setpriority, SYS_ioprio_get, SYS_ioprio_set, SYS_getrlimit, SYS_setrlimit, SYS_prlimit64,
    SYS_getrusage, SYS_times, SYS_uname, SYS_sysinfo, SYS_getrandom, SYS_pidfd_open, SYS_pidfd_send_signal,
    SYS_landlock_create_ruleset, SYS_landlock_add_rule, SYS_landlock_restrict_self, SYS_process_mrelease, kLsmGetSelfAttr,
    kLsmListModules,
    // signals and time
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigpending, SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo, SYS_rt_sigreturn, SYS_sigaltstack, SYS_restart_syscall, SYS_pause, SYS_alarm, SYS_getitimer,
    SYS_setitimer, SYS_nanosleep, SYS_clock_nanosleep, SYS_clock_gettime, SYS_clock_getres, SYS_gettimeofday, SYS_time,
    SYS_timer_create, SYS_timer_settime, SYS_timer_gettime, SYS_timer_getoverrun, SYS_timer_delete, SYS_timerfd_create,
    SYS_timerfd_settime, SYS_timerfd_gettime, SYS_signalfd, SYS_signalfd4, SYS_eventfd, SYS_eventfd2,
    // waiting, sockets, System V and POSIX ipc (the ipc namespace is the sandbox's own)
    SYS_poll, SYS_ppoll, SYS_select, SYS_pselect6, SYS_epoll_create, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_wait,
    SYS_epoll_pwait, SYS_epoll_pwait2, SYS_connect, SYS_accept, SYS_accept4, SYS_bind, SYS_listen, SYS_getsockname,
    SYS_getpeername, SYS_getsockopt, SYS_setsockopt, SYS_sendto, SYS_recvfrom, SYS_sendmsg, SYS_recvmsg, SYS_sendmmsg,
    SYS_recvmmsg, SYS_shutdown, SYS_shmget, SYS_shmat, SYS_shmctl, SYS_shmdt, SYS_semget, SYS_semop, SYS_semctl,
    SYS_semtimedop, SYS_msgget, SYS_msgsnd, SYS_msgrcv, SYS_msgctl, SYS_mq_open, SYS_mq_unlink, SYS_mq_timedsend,
    SYS_mq_timedreceive, SYS_mq_notify, SYS_mq_getsetattr,
};
// clang-format on

constexpr Rule kChecked[] = {
    {SYS_clone, {Kind::check_clone}},
    {SYS_ioctl, {Kind::check_ioctl}},
    {SYS_socket, {Kind::check_socket}},
    {SYS_socketpair, {Kind::check_socketpair}},
    {SYS_prctl, {Kind::check_prctl}},
    {SYS_personality, {Kind::check_personality}},
    {SYS_seccomp, {Kind::check_seccomp}},
    // Its flags lie in memory, where no filter can see them: ENOSYS makes the C library use clone.
    {SYS_clone3, {Kind::fail, ENOSYS}},
};

// Known and dangerous: refused with EPERM and reported. Surface of the host's kernel that programs do not
// need.
// clang-format off: a line for each would be pages
constexpr uint32_t kRefused[] = {
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_open_tree,
    SYS_move_mount, SYS_mount_setattr, kStatmount, kListmount, kOpenTreeAttr, SYS_swapon, SYS_swapoff, SYS_quotactl,
    SYS_quotactl_fd, SYS_acct, SYS_open_by_handle_at, SYS_fanotify_init, SYS_fanotify_mark, SYS_unshare, SYS_setns,
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise, SYS_pidfd_getfd, SYS_kcmp, SYS_bpf,
    SYS_perf_event_open, SYS_userfaultfd, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_init_module, SYS_finit_module,
    SYS_delete_module, SYS_create_module, SYS_get_kernel_syms, SYS_query_module, SYS_kexec_load, SYS_kexec_file_load,
    SYS_reboot, SYS_syslog, SYS_sethostname, SYS_setdomainname, SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_vhangup,
    SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime, SYS_vmsplice, SYS_move_pages, SYS_migrate_pages,
    SYS_lookup_dcookie, SYS_nfsservctl, SYS_uselib, SYS_ustat, SYS_sysfs, SYS__sysctl, kLsmSetSelfAttr,
    // Libraries probe for io_uring and fall back on ENOSYS; it would do file and socket work past this filter.
    SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
};
// clang-format on

constexpr size_t kRules = std::size(kAllowed) + std::size(kChecked) + std::size(kRefused);

constexpr std::array<Rule, kRules> kPolicy = [] {
  std::array<Rule, kRules> rules{};
  size_t at = 0;
  for (uint32_t number : kAllowed) rules[at++] = {number, {Kind::allow}};
  for (const Rule& rule : kChecked) rules[at++] = rule;
  for (uint32_t number : kRefused) rules[at++] = {number, {Kind::refuse}};
  std::sort(rules.begin(), rules.end(), [](const Rule& a, const Rule& b) { return a.number < b.number; });
  return rules;
}();

constexpr bool no_number_twice() {
  for (size_t i = 1; i < kRules; ++i)
    if (kPolicy[i - 1].number == kPolicy[i].number) return false;
  return true;
}
static_assert(no_number_twice(), "a system call has two verdicts");

constexpr std::array<Rule, kRules> kServingPolicy = [] {
  std::array<Rule, kRules> rules = kPolicy;
  for (Rule& rule : rules)
    if (rule.number == SYS_process_vm_readv || rule.number == SYS_process_vm_writev ||
        rule.number == SYS_seccomp)
      rule.verdict = {Kind::allow};
  return rules;
}();

template <bool notify>
constexpr auto kProgram = [] {
  std::array<sock_filter, seccomp::compile(kPolicy, notify).size()> program{};
  std::ranges::copy(seccomp::compile(kPolicy, notify), program.begin());
  return program;
}();
constexpr auto kNotifying = kProgram<true>;
constexpr auto kSilent = kProgram<false>;
constexpr auto kServing = [] {
  std::array<sock_filter, seccomp::compile(kServingPolicy, false).size()> program{};
  std::ranges::copy(seccomp::compile(kServingPolicy, false), program.begin());
  return program;
}();
static_assert(kSilent.size() <= BPF_MAXINSNS && kNotifying.size() <= BPF_MAXINSNS);

constexpr const char* kNames[] = {
#include "walls/syscall_names.inc"
};

}  // namespace

std::span<const Rule> full_policy() {
  return kPolicy;
}

std::span<const sock_filter> full_filter(bool notify) {
  if (notify) return kNotifying;
  return kSilent;
}

std::span<const sock_filter> serving_filter() {
  return kServing;
}

std::string_view syscall_name(uint32_t number) {
  return number < std::size(kNames) && kNames[number] != nullptr ? kNames[number]
                                                                 : std::string_view("unknown syscall");
}

}  // namespace sandstone::walls
