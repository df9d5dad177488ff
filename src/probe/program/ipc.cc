// What processes share besides files: System V and POSIX objects, names, clocks and the scheduler.
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/timex.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "probe/program/attempt.h"
#include "probe/program/secret.h"

namespace sandstone::probe_program {
namespace {

constexpr char kArea[] = "shared state";

Verdict sysv_memory(const Parameters& p) {
  if (!p.has("shm-id")) return not_applicable("the kernel has no System V shared memory");
  void* memory = ::shmat(static_cast<int>(p.number("shm-id")), nullptr, SHM_RDONLY);
  if (memory == MAP_FAILED) return refused("shmat");
  const std::string data(static_cast<const char*>(memory), 64);
  ::shmdt(memory);
  if (!p.holds_secret("secret", data)) return without_effect("not the canary's memory");
  return allowed("read shared memory of the host");
}

Verdict sysv_queue(const Parameters& p) {
  if (!p.has("msg-id")) return not_applicable("the kernel has no System V message queues");
  struct {
    long type = 0;
    char text[128] = {};
  } message;
  if (::msgrcv(static_cast<int>(p.number("msg-id")), &message, sizeof message.text, 0,
               IPC_NOWAIT | MSG_NOERROR | MSG_COPY) < 0 &&
      ::msgrcv(static_cast<int>(p.number("msg-id")), &message, sizeof message.text, 0,
               IPC_NOWAIT | MSG_NOERROR) < 0)
    return refused("msgrcv");
  if (!p.holds_secret("secret", std::string(message.text, sizeof message.text)))
    return without_effect("not the canary's message");
  return allowed("took a message meant for a process of the host");
}

Verdict posix_queue(const Parameters& p) {
  if (!p.has("mq")) return not_applicable("the kernel has no POSIX message queues");
  const mqd_t queue = ::mq_open(p.text("mq").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (queue < 0) return refused("mq_open");
  char message[256] = {};
  const ssize_t got = ::mq_receive(queue, message, sizeof message, nullptr);
  const int error = errno;
  ::mq_close(queue);
  if (got < 0) return refused("mq_receive", error);
  if (!p.holds_secret("secret", message)) return without_effect("not the canary's message");
  return allowed("took a message meant for a process of the host");
}

Verdict read_host_name(const Parameters& p) {
  utsname names{};
  if (::uname(&names) != 0) return refused("uname");
  if (p.text("hostname") != names.nodename) return without_effect("a name of the sandbox's own");
  return allowed("knows the host's name");
}

Verdict set_host_name(const Parameters& p) {
  // The name that the canary expects; it puts the old one back. Where it could not make a UTS namespace of
  // its own to be renamed in, the attempt is not made.
  if (!p.has("new-hostname")) return not_applicable("only a root caller can lend a name to be changed");
  const std::string name = p.text("new-hostname");
  if (::sethostname(name.data(), name.size()) != 0) return refused("sethostname");
  return claimed("renamed the host");
}

Verdict adjust_clock(const Parameters&) {
  timex now{};
  if (::adjtimex(&now) < 0) return refused("adjtimex");
  // Sets the length of a tick to what it is: the right to do so is the prize.
  timex same{};
  same.modes = ADJ_TICK;
  same.tick = now.tick;
  if (::adjtimex(&same) < 0) return refused("adjtimex(ADJ_TICK)");
  return gained("rules the host's clock");
}

Verdict control_group(const Parameters& p) {
  if (!p.has("control-group")) return not_applicable("the host's processes are all in the root group");
  const Descriptor file(::open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return refused("open /proc/self/cgroup");
  if (fingerprint(read_up_to(file.get())) != p.number("control-group"))
    return without_effect("a group of the sandbox's own");
  return allowed("knows the launcher's place among the host's control groups");
}

Verdict boot_time(const Parameters& p) {
  timespec booted{};
  if (::clock_gettime(CLOCK_BOOTTIME, &booted) != 0) return refused("clock_gettime");
  const auto now = static_cast<int64_t>(std::time(nullptr));
  const int64_t difference = now - booted.tv_sec - static_cast<int64_t>(p.number("boot-time"));
  if (std::llabs(difference) > 2) return without_effect("a boot time of the sandbox's own");
  return allowed("knows when the host was booted, which identifies it");
}

Verdict real_time_priority(const Parameters&) {
  sched_param parameter{};
  parameter.sched_priority = 1;
  if (::sched_setscheduler(0, SCHED_FIFO, &parameter) != 0) return refused("sched_setscheduler(SCHED_FIFO)");
  parameter.sched_priority = 0;
  ::sched_setscheduler(0, SCHED_OTHER, &parameter);
  return gained("may keep a processor of the host's for itself");
}

Verdict raise_priority(const Parameters&) {
  if (::setpriority(PRIO_PROCESS, 0, -1) != 0) return refused("setpriority(-1)");
  ::setpriority(PRIO_PROCESS, 0, 0);
  return gained("may go before the host's processes");
}

Verdict lock_memory(const Parameters&) {
  // More than what an unprivileged process may pin (8 MiB by default), so that only the right to do so
  // passes.
  constexpr size_t kBytes = 16 << 20;
  void* memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return refused("mmap");
  const int failed = ::mlock(memory, kBytes);
  const int error = errno;
  ::munmap(memory, kBytes);
  return failed == 0 ? gained("may pin the host's memory without bound") : refused("mlock", error);
}

constexpr Operation kOperations[] = {
    {"sysv-shared-memory", kArea, "reads a System V shared memory segment of the host", sysv_memory},
    {"sysv-message-queue", kArea, "takes a message from a System V queue of the host", sysv_queue},
    {"posix-message-queue", kArea, "takes a message from a POSIX queue of the host", posix_queue},
    {"read-host-name", kArea, "learns the host's name", read_host_name},
    {"set-host-name", kArea, "changes the host's name", set_host_name},
    {"adjust-clock", kArea, "changes the host's clock", adjust_clock},
    {"boot-time", kArea, "learns from its clocks when the host was booted", boot_time},
    {"read-control-group", kArea,
     "learns the launcher's control group: which service, user or container it is", control_group},
    {"real-time-priority", kArea, "takes a processor of the host's for itself (SCHED_FIFO)",
     real_time_priority},
    {"raise-priority", kArea, "raises its priority above the host's processes", raise_priority},
    {"lock-memory", kArea, "pins more memory than an ordinary user may", lock_memory},
};

}  // namespace

std::span<const Operation> ipc_operations() {
  return kOperations;
}

}  // namespace sandstone::probe_program
