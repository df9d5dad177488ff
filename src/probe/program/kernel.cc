// The kernel's surface: calls that ordinary programs do without, and that holes were found in. Where success
// would do harm, an argument is wrong: the kernel checks privilege first, and then complains of the argument.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sys/acct.h>
#include <sys/fanotify.h>
#include <sys/io.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>

#include "probe/program/attempt.h"

namespace sandstone::probe_program {
namespace {

constexpr char kArea[] = "kernel surface";

Verdict descriptor_of(long fd, const char* call) {
  if (fd < 0) return refused(call);
  ::close(static_cast<int>(fd));
  return gained(std::string("has a descriptor from ") + call);
}

// A call that failed, and the errors that only those see who passed the check of privilege.
Verdict past_privilege(const char* call, std::initializer_list<int> errors) {
  const int error = errno;
  for (const int good : errors)
    if (error == good) return gained(std::string("passed the check of privilege of ") + call);
  return refused(call, error);
}

Verdict bpf_map(const Parameters&) {
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = 4;
  attributes.value_size = 8;
  attributes.max_entries = 1;
  return descriptor_of(::syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes),
                       "bpf(BPF_MAP_CREATE)");
}

Verdict bpf_program(const Parameters&) {
  const bpf_insn code[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  attributes.insns = reinterpret_cast<uint64_t>(code);
  attributes.insn_cnt = 2;
  attributes.license = reinterpret_cast<uint64_t>("MIT");
  return descriptor_of(::syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes),
                       "bpf(BPF_PROG_LOAD)");
}

Verdict perf_event(const Parameters&) {
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.size = sizeof attributes;
  attributes.config = PERF_COUNT_SW_TASK_CLOCK;
  attributes.disabled = 1;
  attributes.exclude_kernel = 1;
  return descriptor_of(::syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC),
                       "perf_event_open");
}

Verdict user_fault(const Parameters&) {
  return descriptor_of(::syscall(SYS_userfaultfd, O_CLOEXEC), "userfaultfd");
}

Verdict user_fault_user_mode(const Parameters&) {
  return descriptor_of(::syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY),
                       "userfaultfd(UFFD_USER_MODE_ONLY)");
}

Verdict io_uring(const Parameters&) {
  io_uring_params parameters{};
  return descriptor_of(::syscall(SYS_io_uring_setup, 4, &parameters), "io_uring_setup");
}

Verdict fan_notify(const Parameters&) {
  return descriptor_of(::syscall(SYS_fanotify_init, FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY),
                       "fanotify_init");
}

Verdict add_key(const Parameters&) {
  constexpr long kProcessKeyring = -2;
  if (::syscall(SYS_add_key, "user", "sandstone-probe-own", "x", 1, kProcessKeyring) < 0)
    return refused("add_key");
  return gained("keeps data in the kernel's key store");
}

Verdict key_control(const Parameters&) {
  constexpr long kGetKeyringId = 0;
  constexpr long kProcessKeyring = -2;
  if (::syscall(SYS_keyctl, kGetKeyringId, kProcessKeyring, 1) < 0) return refused("keyctl");
  return gained("drives the kernel's key store");
}

Verdict init_module(const Parameters&) {
  ::syscall(SYS_init_module, nullptr, 64, "");
  return past_privilege("init_module", {EFAULT, ENOEXEC});
}

Verdict finit_module(const Parameters&) {
  ::syscall(SYS_finit_module, -1, "", 0);
  return past_privilege("finit_module", {EBADF});
}

Verdict delete_module(const Parameters&) {
  ::syscall(SYS_delete_module, "sandstone_no_such_module", O_NONBLOCK);
  return past_privilege("delete_module", {ENOENT});
}

Verdict kexec_load(const Parameters&) {
  ::syscall(SYS_kexec_load, 0, 1UL << 20, nullptr, 0);  // more segments than any kernel takes
  return past_privilege("kexec_load", {EINVAL});
}

Verdict kexec_file_load(const Parameters&) {
  ::syscall(SYS_kexec_file_load, -1, -1, 0, nullptr, 0);
  return past_privilege("kexec_file_load", {EBADF});
}

Verdict reboot_host(const Parameters&) {
  ::syscall(SYS_reboot, 0, 0, 0, 0);  // not the magic numbers, without which nothing happens
  return past_privilege("reboot", {EINVAL});
}

Verdict swap_on(const Parameters&) {
  ::swapon("/sandstone-no-such-file", 0);
  return past_privilege("swapon", {ENOENT, EACCES});
}

Verdict accounting(const Parameters&) {
  ::acct("/sandstone-no-such-folder/file");
  return past_privilege("acct", {ENOENT, EACCES});
}

Verdict io_privilege(const Parameters&) {
  if (::ioperm(0x80, 1, 1) != 0) return refused("ioperm");  // the port of start-up codes: nobody listens
  ::ioperm(0x80, 1, 0);
  return allowed("talks to hardware by its ports");
}

Verdict kernel_log(const Parameters&) {
  constexpr int kReadAll = 3;
  char text[256];
  if (::klogctl(kReadAll, text, sizeof text) < 0) return refused("syslog");
  return gained("read the kernel's log");
}

Verdict other_personality(const Parameters&) {
  if (::personality(ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC) < 0) return refused("personality");
  if ((::personality(0xffffffff) & ADDR_NO_RANDOMIZE) == 0)
    return without_effect("the kernel kept the old one");
  return gained("switched address randomisation off for what it starts");
}

Verdict segment_table(const Parameters&) {
  char table[64];
  if (::syscall(SYS_modify_ldt, 0, table, sizeof table) < 0) return refused("modify_ldt");
  return allowed("reads and writes its segment table");
}

Verdict own_listener(const Parameters&) {
  // The last filter's listener decides: a listener of the workload's own could wave through what ours denies.
  return in_child([]() -> Verdict {
    sock_filter code[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    const sock_fprog program{1, code};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return descriptor_of(
        ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program),
        "seccomp(NEW_LISTENER)");
  });
}

Verdict other_numa_policy(const Parameters&) {
  if (::syscall(SYS_set_mempolicy, 0, nullptr, 0) != 0) return refused("set_mempolicy");
  return gained("rules where its memory lies");
}

#if defined(__x86_64__)
Verdict syscall_32_bit(const Parameters&) {
  long result = 0;
  asm volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");  // i386: getpid
  if (result == ::getpid())
    return allowed("makes 32-bit system calls, whose numbers a 64-bit filter misreads");
  return refused("int 0x80", static_cast<int>(-result));
}

Verdict syscall_x32(const Parameters&) {
  constexpr long kX32 = 0x40000000;
  const long result = ::syscall(kX32 | SYS_getpid);
  if (result == ::getpid()) return allowed("makes x32 system calls, whose numbers a filter may not know");
  return refused("x32 getpid");
}
#else
Verdict syscall_32_bit(const Parameters&) {
  return not_applicable("the machine is no x86-64");
}
Verdict syscall_x32(const Parameters&) {
  return not_applicable("the machine is no x86-64");
}
#endif

constexpr Operation kOperations[] = {
    {"bpf-map", kArea, "makes a BPF map", bpf_map},
    {"bpf-program", kArea, "loads a BPF program into the kernel", bpf_program},
    {"perf-event", kArea, "opens a performance counter", perf_event},
    {"userfaultfd", kArea, "stalls the kernel at will (userfaultfd)", user_fault},
    {"userfaultfd-user", kArea, "the same for faults of user mode alone", user_fault_user_mode},
    {"io-uring", kArea, "makes an io_uring: system calls past every filter", io_uring},
    {"fanotify", kArea, "watches and holds up other processes' files (fanotify)", fan_notify},
    {"add-key", kArea, "stores a key in the kernel", add_key},
    {"keyctl", kArea, "drives the kernel's key store", key_control},
    {"init-module", kArea, "loads code into the kernel (init_module)", init_module},
    {"finit-module", kArea, "loads code into the kernel (finit_module)", finit_module},
    {"delete-module", kArea, "removes a module of the kernel", delete_module},
    {"kexec-load", kArea, "starts another kernel (kexec_load)", kexec_load},
    {"kexec-file-load", kArea, "starts another kernel (kexec_file_load)", kexec_file_load},
    {"reboot", kArea, "reboots", reboot_host},
    {"swapon", kArea, "adds swap space", swap_on},
    {"acct", kArea, "switches the kernel's accounting of processes", accounting},
    {"ioperm", kArea, "talks to hardware by its ports", io_privilege},
    {"syslog", kArea, "reads the kernel's log (syslog)", kernel_log},
    {"personality", kArea, "switches address randomisation off (personality)", other_personality},
    {"modify-ldt", kArea, "writes its segment table: a part of the kernel with a history of holes",
     segment_table},
    {"seccomp-listener", kArea, "installs a system call listener of its own", own_listener},
    {"set-mempolicy", kArea, "rules the placement of memory: a part of the kernel with a history of holes",
     other_numa_policy},
    {"int80", kArea, "makes 32-bit system calls (int 0x80)", syscall_32_bit},
    {"x32", kArea, "makes x32 system calls", syscall_x32},
};

}  // namespace

std::span<const Operation> kernel_operations() {
  return kOperations;
}

}  // namespace sandstone::probe_program
