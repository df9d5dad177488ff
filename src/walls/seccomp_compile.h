// From a policy to a BPF program, while the project is being compiled: a start has only to load it.
#pragma once

#include <linux/audit.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include "walls/seccomp_policy.h"

namespace sandstone::walls::seccomp {

using Kind = Verdict::Kind;
using Program = std::vector<sock_filter>;

constexpr uint32_t kX32Bit = 0x40000000;
constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;

constexpr sock_filter ret(uint32_t value) {
  return BPF_STMT(BPF_RET | BPF_K, value);
}
constexpr sock_filter load(uint32_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset);
}
constexpr sock_filter jump(uint16_t test, uint32_t value, uint8_t yes, uint8_t no) {
  return BPF_JUMP(static_cast<uint16_t>(BPF_JMP | test | BPF_K), value, yes, no);
}
constexpr uint32_t fail(int error) {
  return SECCOMP_RET_ERRNO | static_cast<uint32_t>(error);
}

constexpr uint32_t low(int argument) {
  return static_cast<uint32_t>(offsetof(seccomp_data, args) +
                               sizeof(uint64_t) * static_cast<size_t>(argument));
}
constexpr uint32_t high(int argument) {
  return low(argument) + 4;
}

class Compiler {
 public:
  constexpr explicit Compiler(bool notify) : notify_(notify) {}

  // [begin, end) of the ranges; the accumulator holds the number.
  constexpr Program tree(const std::vector<std::pair<uint32_t, Verdict>>& ranges, size_t begin, size_t end) {
    if (end - begin == 1) return leaf(ranges[begin].first, ranges[begin].second);
    const size_t middle = begin + (end - begin) / 2;
    Program left = tree(ranges, begin, middle);
    Program right = tree(ranges, middle, end);
    Program program;
    const uint32_t pivot = ranges[middle].first;
    // Conditional jumps reach 255 instructions; a longer left half is jumped over by an unconditional one.
    if (left.size() <= 255) {
      program.push_back(jump(BPF_JGE, pivot, static_cast<uint8_t>(left.size()), 0));
    } else {
      program.push_back(jump(BPF_JGE, pivot, 0, 1));
      program.push_back(BPF_STMT(BPF_JMP | BPF_JA, static_cast<uint32_t>(left.size())));
    }
    program.insert(program.end(), left.begin(), left.end());
    program.insert(program.end(), right.begin(), right.end());
    return program;
  }

 private:
  [[nodiscard]] constexpr uint32_t refuse(uint32_t number) const {
    return notify_ ? SECCOMP_RET_USER_NOTIF : fail(refusal_error(number));
  }

  constexpr Program leaf(uint32_t number, Verdict verdict) {
    switch (verdict.kind) {
      case Kind::allow:
        return {ret(kAllow)};
      case Kind::fail:
        return {ret(fail(verdict.error))};
      case Kind::refuse:
        return {ret(refuse(number))};
      case Kind::check_clone:
        return check_clone(number);
      case Kind::check_ioctl:
        return one_of(1, {0x5412 /* TIOCSTI */, 0x541C /* TIOCLINUX */}, refuse(number), kAllow);
      case Kind::check_socket:
        return check_socket(number);
      case Kind::check_socketpair:
        return one_of(0, {AF_UNIX}, kAllow, refuse(number));
      case Kind::check_prctl:
        return check_prctl(number);
      case Kind::check_personality:
        return one_of(0, {0, 0x0008, 0x20000, 0x20008, 0xffffffff}, kAllow, refuse(number));
      case Kind::check_seccomp:
        return check_seccomp(number);
    }
    return {ret(SECCOMP_RET_KILL_PROCESS)};
  }

  // The kernel itself takes the low 32 bits of these arguments (unsigned int, int), so they alone decide. A comparison of
  // all 64 is what CVE-2019-7303 walked around with a high bit set.
  static constexpr Program one_of(int argument, std::initializer_list<uint32_t> values, uint32_t then,
                                  uint32_t otherwise) {
    Program program{load(low(argument))};
    auto left = values.size();
    for (const uint32_t value : values) {
      program.push_back(jump(BPF_JEQ, value, static_cast<uint8_t>(left), 0));
      --left;
    }
    program.push_back(ret(otherwise));
    program.push_back(ret(then));
    return program;
  }

  // clone(2) takes its flags as an unsigned long: no namespace flag lies above bit 31, and none may be set.
  constexpr Program check_clone(uint32_t number) const {
    constexpr uint32_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                     CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
    return {load(low(0)), jump(BPF_JSET, kNamespaces, 0, 1), ret(refuse(number)), ret(kAllow)};
  }

  // AF_NETLINK only as getifaddrs(3) uses it: its other protocols are large parsers in the host's kernel.
  constexpr Program check_socket(uint32_t number) const {
    return {load(low(0)),
            jump(BPF_JEQ, AF_UNIX, 5, 0),
            jump(BPF_JEQ, AF_INET, 4, 0),
            jump(BPF_JEQ, AF_INET6, 3, 0),
            jump(BPF_JEQ, AF_NETLINK, 0, 3),
            load(low(2)),
            jump(BPF_JEQ, 0, 0, 1),
            ret(kAllow),
            ret(refuse(number))};
  }

  constexpr Program check_prctl(uint32_t number) const {
    constexpr uint32_t kSetVma = 0x53564d41, kGetAuxv = 0x41555856;
    return one_of(0,
                  {PR_SET_PDEATHSIG,
                   PR_GET_PDEATHSIG,
                   PR_GET_DUMPABLE,
                   PR_SET_DUMPABLE,
                   PR_GET_KEEPCAPS,
                   PR_SET_KEEPCAPS,
                   PR_GET_TIMING,
                   PR_SET_NAME,
                   PR_GET_NAME,
                   PR_GET_SECCOMP,
                   PR_SET_SECCOMP,
                   PR_CAPBSET_READ,
                   PR_GET_TSC,
                   PR_GET_SECUREBITS,
                   PR_SET_TIMERSLACK,
                   PR_GET_TIMERSLACK,
                   PR_MCE_KILL,
                   PR_MCE_KILL_GET,
                   PR_SET_CHILD_SUBREAPER,
                   PR_GET_CHILD_SUBREAPER,
                   PR_SET_NO_NEW_PRIVS,
                   PR_GET_NO_NEW_PRIVS,
                   PR_GET_TID_ADDRESS,
                   PR_SET_THP_DISABLE,
                   PR_GET_THP_DISABLE,
                   PR_CAP_AMBIENT,
                   PR_GET_SPECULATION_CTRL,
                   PR_SET_SPECULATION_CTRL,
                   PR_SET_IO_FLUSHER,
                   PR_GET_IO_FLUSHER,
                   PR_SET_PTRACER,
                   kSetVma,
                   kGetAuxv},
                  kAllow, refuse(number));
  }

  // A listener of the workload's own could answer for calls that ours refuses: filters it may add, listeners not.
  constexpr Program check_seccomp(uint32_t number) const {
    return {load(low(1)), jump(BPF_JSET, SECCOMP_FILTER_FLAG_NEW_LISTENER, 0, 1), ret(refuse(number)),
            ret(kAllow)};
  }

  bool notify_;
};

constexpr bool same(Verdict a, Verdict b) {
  return a.kind == b.kind && a.kind <= Kind::refuse && a.error == b.error;
}

// The program: other architectures die, a balanced tree over the numbers, argument checks at the leaves. A plain verdict
// depends on nothing but architecture and number, which is what the kernel needs to cache it in its allow bitmap.
// With `notify`, refusals go to a listener; without, they fail with refusal_error.
constexpr Program compile(std::span<const Rule> policy, bool notify) {
  const Verdict unknown{Kind::fail, ENOSYS};
  std::vector<std::pair<uint32_t, Verdict>> ranges;  // first number of each range
  const auto add = [&](uint32_t first, Verdict verdict, bool mergeable) {
    if (mergeable && !ranges.empty() && same(ranges.back().second, verdict)) return;
    ranges.emplace_back(first, verdict);
  };
  uint32_t next = 0;
  for (const Rule& rule : policy) {
    if (rule.number > next) add(next, unknown, true);
    // Refusals differ in their errno by number, unless a listener decides.
    add(rule.number, rule.verdict, notify || rule.verdict.kind != Kind::refuse);
    next = rule.number + 1;
  }
  add(next, unknown, true);

  Program program{load(offsetof(seccomp_data, arch)),
                  // int80 on a 64-bit kernel reaches the i386 table, whose numbers mean other calls
                  jump(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0), ret(SECCOMP_RET_KILL_PROCESS),
                  load(offsetof(seccomp_data, nr)),
                  // x32 numbers share the architecture; 0xffffffff, a tracer's "skip", is among them
                  jump(BPF_JGE, kX32Bit, 0, 1), ret(SECCOMP_RET_KILL_PROCESS)};
  Compiler compiler(notify);
  const Program tree = compiler.tree(ranges, 0, ranges.size());
  program.insert(program.end(), tree.begin(), tree.end());
  return program;
}

}  // namespace sandstone::walls::seccomp
