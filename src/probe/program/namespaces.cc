// Making namespaces (new privilege over old kernel code) and entering the host's.
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

#include "probe/program/attempt.h"
#include "probe/program/canary.h"

namespace sandstone::probe_program {
namespace {

constexpr char kArea[] = "namespaces";

Verdict make_namespace(int flags) {
  if (::unshare(flags) != 0) return refused("unshare");
  return gained("has a namespace of its own");
}

Verdict unshare_user(const Parameters&) {
  return make_namespace(CLONE_NEWUSER);
}
Verdict unshare_mount(const Parameters&) {
  return make_namespace(CLONE_NEWNS);
}
Verdict unshare_net(const Parameters&) {
  return make_namespace(CLONE_NEWNET);
}
Verdict unshare_pid(const Parameters&) {
  return make_namespace(CLONE_NEWPID);
}

Verdict ended_child(long pid, const char* call) {
  if (pid < 0) return refused(call);
  if (pid == 0) ::_exit(0);
  ::waitpid(static_cast<pid_t>(pid), nullptr, __WALL);
  return gained("has a process in namespaces of its own");
}

Verdict clone_user(const Parameters&) {
  return ended_child(::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), "clone(CLONE_NEWUSER)");
}

// A filter cannot look at clone3's flags: they lie in memory.
Verdict clone3_user(const Parameters&) {
  clone_args arguments{};
  arguments.flags = CLONE_NEWUSER;
  arguments.exit_signal = SIGCHLD;
  return ended_child(::syscall(SYS_clone3, &arguments, sizeof arguments), "clone3(CLONE_NEWUSER)");
}

// The bits above 32 of clone's flags are dropped by the kernel: a filter that compares all 64 is fooled.
Verdict clone_high_bits(const Parameters&) {
  const unsigned long flags = 1UL << 40 | CLONE_NEWUSER | SIGCHLD;
  return ended_child(::syscall(SYS_clone, flags, 0, 0, 0, 0), "clone(1<<40 | CLONE_NEWUSER)");
}

Verdict enter(const Parameters& p, const char* name, int type) {
  const std::string path = "/proc/" + p.text("pid") + "/ns/" + name;
  const Descriptor host(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!host.valid()) return refused("open " + path);
  const Descriptor name_file(::open(("/proc/" + p.text("pid") + "/comm").c_str(), O_RDONLY | O_CLOEXEC));
  if (name_file.valid() && read_up_to(name_file.get()) != std::string(kCanaryName) + "\n")
    return without_effect("a process of the sandbox's own has the number");
  if (::setns(host.get(), type) != 0) return refused("setns");
  return allowed("stands in a namespace of the host");
}

Verdict enter_mount(const Parameters& p) {
  Verdict verdict = enter(p, "mnt", CLONE_NEWNS);
  if (verdict.kind != Verdict::Kind::allowed) return verdict;
  return read_secret_file(p, "secret", p.text("home") + "/secret");
}

Verdict enter_net(const Parameters& p) {
  return enter(p, "net", CLONE_NEWNET);
}
Verdict enter_pid(const Parameters& p) {
  return enter(p, "pid", CLONE_NEWPID);
}

Verdict enter_by_pidfd(const Parameters& p) {
  const Descriptor process(
      static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(p.number("pid")), 0)));
  if (!process.valid()) return refused("pidfd_open");
  if (::setns(process.get(), CLONE_NEWNS) != 0) return refused("setns(pidfd)");
  return read_secret_file(p, "secret", p.text("home") + "/secret");
}

constexpr Operation kOperations[] = {
    {"unshare-user", kArea, "makes a user namespace, in which it has every capability", unshare_user},
    {"unshare-mount", kArea, "makes a mount namespace", unshare_mount},
    {"unshare-net", kArea, "makes a network namespace", unshare_net},
    {"unshare-pid", kArea, "makes a pid namespace", unshare_pid},
    {"clone-user", kArea, "starts a process in a new user namespace (clone)", clone_user},
    {"clone3-user", kArea, "starts a process in a new user namespace (clone3, whose flags no filter sees)",
     clone3_user},
    {"clone-high-bits", kArea, "the same with bits in clone's flags that only a filter looks at",
     clone_high_bits},
    {"setns-mount", kArea, "enters the host's mount namespace and reads the caller's home", enter_mount},
    {"setns-net", kArea, "enters the host's network namespace", enter_net},
    {"setns-pid", kArea, "enters the host's pid namespace", enter_pid},
    {"setns-pidfd", kArea, "enters the host's mount namespace through a pidfd", enter_by_pidfd},
};

}  // namespace

std::span<const Operation> namespace_operations() {
  return kOperations;
}

}  // namespace sandstone::probe_program
