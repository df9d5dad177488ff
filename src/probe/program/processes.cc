// Reaching processes outside: the canary, and the process that launched the workload.
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "probe/program/attempt.h"
#include "probe/program/canary.h"

namespace sandstone::probe_program {
namespace {

constexpr char kArea[] = "processes";

// An address in the canary, which in this process means nothing.
void* there(const Parameters& p, const char* key) {
  return reinterpret_cast<void*>(p.number(key));  // NOLINT(performance-no-int-to-ptr)
}

pid_t canary_pid(const Parameters& p) {
  return static_cast<pid_t>(p.number("pid"));
}

Verdict ptrace_attach(const Parameters& p) {
  const pid_t pid = canary_pid(p);
  if (::ptrace(PTRACE_ATTACH, pid, nullptr, nullptr) != 0) return refused("PTRACE_ATTACH");
  ::waitpid(pid, nullptr, __WALL);
  std::string data;
  for (size_t i = 0; i < 64; i += sizeof(long)) {
    const long word = ::ptrace(PTRACE_PEEKDATA, pid, p.number("address") + i, nullptr);
    data.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  ::ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
  if (!p.holds_secret("secret", data)) return without_effect("a process of the sandbox's own has the number");
  return allowed("stopped a process of the host and read its memory");
}

Verdict read_memory(const Parameters& p) {
  char data[64] = {};
  const iovec local{data, sizeof data - 1};
  const iovec remote{there(p, "address"), sizeof data - 1};
  if (::process_vm_readv(canary_pid(p), &local, 1, &remote, 1, 0) < 0) return refused("process_vm_readv");
  if (!p.holds_secret("secret", data)) return without_effect("not the canary's memory");
  return allowed("read the memory of a process of the host");
}

Verdict write_memory(const Parameters& p) {
  char data[] = "evil";
  const iovec local{data, sizeof data};
  const iovec remote{there(p, "scratch"), sizeof data};
  if (::process_vm_writev(canary_pid(p), &local, 1, &remote, 1, 0) < 0) return refused("process_vm_writev");
  return claimed("wrote into the memory of a process of the host");
}

Verdict steal_descriptor(const Parameters& p) {
  const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, canary_pid(p), 0)));
  if (!process.valid()) return refused("pidfd_open");
  const Descriptor stolen(
      static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), static_cast<int>(p.number("memfd")), 0)));
  if (!stolen.valid()) return refused("pidfd_getfd");
  char data[64] = {};
  if (::pread(stolen.get(), data, sizeof data - 1, 0) < 0) return refused("read");
  if (!p.holds_secret("secret", data)) return without_effect("not the canary's descriptor");
  return allowed("took a descriptor out of a process of the host");
}

Verdict kill_canary(const Parameters& p) {
  if (::kill(canary_pid(p), kSignalKill) != 0) return refused("kill");
  return claimed("sent a signal to a process of the host");
}

Verdict kill_everything(const Parameters&) {
  // SIGURG: every process ignores it unless it asks for it, so that reaching the whole host does no harm.
  if (::kill(-1, kSignalKillAll) != 0) return refused("kill(-1)");
  return claimed("sent a signal to everything in sight");
}

Verdict kill_by_pidfd(const Parameters& p) {
  const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, canary_pid(p), 0)));
  if (!process.valid()) return refused("pidfd_open");
  if (::syscall(SYS_pidfd_send_signal, process.get(), kSignalPidfd, nullptr, 0) != 0)
    return refused("pidfd_send_signal");
  return claimed("sent a signal through a pidfd");
}

// The kernel sends the signal itself when the pipe gets data; the check is made when the owner is set or when
// it is sent.
Verdict kill_by_owner(const Parameters& p) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return refused("socketpair");
  const Descriptor reader(ends[0]);
  const Descriptor writer(ends[1]);
  if (::fcntl(reader.get(), F_SETOWN, canary_pid(p)) != 0) return refused("F_SETOWN");
  if (::fcntl(reader.get(), F_SETSIG, kSignalOwner) != 0) return refused("F_SETSIG");
  if (::fcntl(reader.get(), F_SETFL, O_ASYNC | O_NONBLOCK) != 0) return refused("F_SETFL");
  if (!write_whole(writer.get(), "x")) return refused("write");
  return claimed("had the kernel send a signal (F_SETOWN)");
}

Verdict read_limits(const Parameters& p) {
  rlimit limit{};
  if (::prlimit(canary_pid(p), RLIMIT_NOFILE, nullptr, &limit) != 0) return refused("prlimit");
  if (limit.rlim_cur != kCanaryFileLimit)
    return without_effect("a process of the sandbox's own has the number");
  return allowed("reads and may set the limits of a process of the host");
}

Verdict set_priority(const Parameters& p) {
  errno = 0;
  const int now = ::getpriority(PRIO_PROCESS, static_cast<id_t>(canary_pid(p)));
  if (errno != 0) return refused("getpriority");
  if (now != kCanaryNice) return without_effect("a process of the sandbox's own has the number");
  // Sets what is set: an ordinary user could not take a change back.
  if (::setpriority(PRIO_PROCESS, static_cast<id_t>(canary_pid(p)), now) != 0) return refused("setpriority");
  return allowed("rules the priority of a process of the host");
}

Verdict compare_kernel_objects(const Parameters& p) {
  // Two processes of the sandbox's own would compare as well: the memory of the canary is the canary's alone.
  const Descriptor file(::open(("/proc/" + p.text("pid") + "/comm").c_str(), O_RDONLY | O_CLOEXEC));
  const long order = ::syscall(SYS_kcmp, canary_pid(p), ::getpid(), KCMP_VM, 0, 0);
  if (order < 0) return refused("kcmp");
  if (!file.valid() || read_up_to(file.get()) != std::string(kCanaryName) + "\n")
    return without_effect("a process of the sandbox's own has the number");
  return allowed("learns the order of the kernel's own addresses");
}

Verdict attach_launcher(const Parameters& p) {
  // Process 1 of a sandbox, or on the bare host whatever started the workload: it holds what the workload
  // must not.
  const auto pid = static_cast<pid_t>(p.number("parent"));
  if (pid <= 0) return not_applicable("no parent in sight");
  if (::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) != 0) return refused("PTRACE_SEIZE");
  ::ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr);
  ::waitpid(pid, nullptr, __WALL);
  ::ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
  return gained("rules the process that started it");
}

constexpr Operation kOperations[] = {
    {"ptrace-attach", kArea, "attaches to a process of the host and reads its memory", ptrace_attach},
    {"process-vm-readv", kArea, "reads the memory of a process of the host", read_memory},
    {"process-vm-writev", kArea, "writes into the memory of a process of the host", write_memory},
    {"pidfd-getfd", kArea, "takes an open descriptor out of a process of the host", steal_descriptor},
    {"kill", kArea, "sends a signal to a process of the host", kill_canary},
    {"kill-all", kArea, "sends a signal to everything: kill(-1)", kill_everything},
    {"pidfd-send-signal", kArea, "sends a signal to a process of the host through a pidfd", kill_by_pidfd},
    {"fcntl-setown", kArea, "has the kernel send a signal to a process of the host (F_SETOWN)",
     kill_by_owner},
    {"prlimit", kArea, "reads and sets the resource limits of a process of the host", read_limits},
    {"setpriority", kArea, "changes the priority of a process of the host", set_priority},
    {"kcmp", kArea, "compares kernel objects with those of a process of the host", compare_kernel_objects},
    {"ptrace-launcher", kArea, "attaches to the process that started the workload", attach_launcher},
};

}  // namespace

std::span<const Operation> process_operations() {
  return kOperations;
}

}  // namespace sandstone::probe_program
