#include "walls/seccomp_policy.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <set>

namespace sandstone::walls {
namespace {

struct Answer {
  uint32_t value = 0;
  bool looked_at_arguments = false;
};

// What the kernel's interpreter would answer; a program that leaves it or uses what it does not know is a failure.
Answer run(std::span<const sock_filter> program, const seccomp_data& data) {
  Answer answer;
  uint32_t accumulator = 0;
  for (size_t at = 0; at < program.size(); ++at) {
    const sock_filter& step = program[at];
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (step.k + 4 > sizeof data) {
          ADD_FAILURE() << "load past the data";
          return answer;
        }
        if (step.k >= offsetof(seccomp_data, instruction_pointer)) answer.looked_at_arguments = true;
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + step.k, 4);
        break;
      case BPF_JMP | BPF_JA:
        at += step.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        at += accumulator == step.k ? step.jt : step.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        at += accumulator >= step.k ? step.jt : step.jf;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        at += (accumulator & step.k) != 0 ? step.jt : step.jf;
        break;
      case BPF_RET | BPF_K:
        answer.value = step.k;
        return answer;
      default:
        ADD_FAILURE() << "unknown instruction " << step.code;
        return answer;
    }
  }
  ADD_FAILURE() << "ran off the end";
  return answer;
}

seccomp_data native(uint32_t number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = AUDIT_ARCH_X86_64;
  data.args[0] = a;
  data.args[1] = b;
  data.args[2] = c;
  return data;
}

constexpr uint32_t kEnosys = SECCOMP_RET_ERRNO | ENOSYS;

class Filter : public testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] bool notify() const { return GetParam(); }
  [[nodiscard]] uint32_t verdict(const seccomp_data& data) const { return run(program_, data).value; }
  [[nodiscard]] uint32_t refused(uint32_t number) const {
    return notify() ? SECCOMP_RET_USER_NOTIF
                    : SECCOMP_RET_ERRNO | static_cast<uint32_t>(refusal_error(number));
  }
  std::span<const sock_filter> program_ = full_filter(GetParam());
};

TEST_P(Filter, GivesEveryNumberThePolicysVerdict) {
  ASSERT_LE(program_.size(), BPF_MAXINSNS);
  std::set<uint32_t> listed;
  for (const Rule& rule : full_policy()) {
    listed.insert(rule.number);
    const Answer answer = run(program_, native(rule.number));
    switch (rule.verdict.kind) {
      case Verdict::Kind::allow:
        EXPECT_EQ(answer.value, SECCOMP_RET_ALLOW) << syscall_name(rule.number);
        EXPECT_FALSE(answer.looked_at_arguments)
            << syscall_name(rule.number) << " misses the kernel's allow bitmap";
        break;
      case Verdict::Kind::fail:
        EXPECT_EQ(answer.value, SECCOMP_RET_ERRNO | static_cast<uint32_t>(rule.verdict.error));
        break;
      case Verdict::Kind::refuse:
        EXPECT_EQ(answer.value, refused(rule.number)) << syscall_name(rule.number);
        break;
      default:
        EXPECT_TRUE(answer.looked_at_arguments) << syscall_name(rule.number);
        break;
    }
  }
  for (uint32_t number = 0; number < 2000; ++number) {
    if (listed.contains(number)) continue;
    EXPECT_EQ(verdict(native(number)), kEnosys) << number;
  }
}

TEST_P(Filter, KillsOtherArchitecturesAndX32) {
  seccomp_data i386 = native(SYS_read);
  i386.arch = AUDIT_ARCH_I386;
  EXPECT_EQ(verdict(i386), SECCOMP_RET_KILL_PROCESS);
  i386.arch = 0;
  EXPECT_EQ(verdict(i386), SECCOMP_RET_KILL_PROCESS);
  for (uint32_t number : {0x40000000U, 0x40000000U + SYS_mount, 0x40000200U, 0x80000000U, 0xffffffffU})
    EXPECT_EQ(verdict(native(number)), SECCOMP_RET_KILL_PROCESS) << number;
}

TEST_P(Filter, RefusesNamespacesByClone) {
  EXPECT_EQ(verdict(native(SYS_clone, SIGCHLD)), SECCOMP_RET_ALLOW);
  EXPECT_EQ(verdict(native(SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                                          CLONE_SYSVSEM | CLONE_SETTLS)),
            SECCOMP_RET_ALLOW);
  for (uint64_t flag :
       {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET})
    EXPECT_EQ(verdict(native(SYS_clone, flag | SIGCHLD)), refused(SYS_clone)) << flag;
  EXPECT_EQ(verdict(native(SYS_clone3)), kEnosys);
}

TEST_P(Filter, RefusesTypingIntoTerminalsWhateverTheHighBits) {
  for (uint64_t high : {0ULL, 1ULL << 32, 0xffffffffULL << 32}) {
    EXPECT_EQ(verdict(native(SYS_ioctl, 0, high | 0x5412)), refused(SYS_ioctl)) << high;
    EXPECT_EQ(verdict(native(SYS_ioctl, 0, high | 0x541C)), refused(SYS_ioctl)) << high;
  }
  EXPECT_EQ(verdict(native(SYS_ioctl, 0, 0x5401)), SECCOMP_RET_ALLOW);
}

TEST_P(Filter, LetsOnlyOrdinarySocketsThrough) {
  for (uint64_t family : {AF_UNIX, AF_INET, AF_INET6})
    EXPECT_EQ(verdict(native(SYS_socket, family, SOCK_STREAM)), SECCOMP_RET_ALLOW);
  EXPECT_EQ(verdict(native(SYS_socket, AF_NETLINK, SOCK_RAW, 0)), SECCOMP_RET_ALLOW)
      << "NETLINK_ROUTE, for getifaddrs";
  EXPECT_EQ(verdict(native(SYS_socket, AF_NETLINK, SOCK_RAW, 12)), refused(SYS_socket))
      << "NETLINK_NETFILTER";
  for (uint64_t family :
       {AF_PACKET, AF_VSOCK, AF_ALG, AF_BLUETOOTH, AF_TIPC, AF_KEY, AF_XDP, 1 << 16 | AF_PACKET})
    EXPECT_EQ(verdict(native(SYS_socket, family)), refused(SYS_socket)) << family;
  EXPECT_EQ(verdict(native(SYS_socketpair, AF_UNIX)), SECCOMP_RET_ALLOW);
  EXPECT_EQ(verdict(native(SYS_socketpair, AF_TIPC)), refused(SYS_socketpair));
}

TEST_P(Filter, RefusesAListenerOfTheWorkloadsOwn) {
  EXPECT_EQ(verdict(native(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0)), SECCOMP_RET_ALLOW);
  EXPECT_EQ(verdict(native(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                           SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC)),
            refused(SYS_seccomp));
}

TEST_P(Filter, KnowsWhichPrctlAndPersonality) {
  EXPECT_EQ(verdict(native(SYS_prctl, PR_SET_NAME)), SECCOMP_RET_ALLOW);
  EXPECT_EQ(verdict(native(SYS_prctl, PR_SET_MM)), refused(SYS_prctl));
  EXPECT_EQ(verdict(native(SYS_prctl, PR_SET_SECUREBITS)), refused(SYS_prctl));
  EXPECT_EQ(verdict(native(SYS_personality, 0xffffffff)), SECCOMP_RET_ALLOW);
  EXPECT_EQ(verdict(native(SYS_personality, 0x0040000)), refused(SYS_personality)) << "ADDR_NO_RANDOMIZE";
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutListener, Filter, testing::Bool());

TEST(ServingFilter, LetsAProgramOfOursAnswerItsChildrenAndNoMore) {
  const std::set<uint32_t> more = {SYS_process_vm_readv, SYS_process_vm_writev, SYS_seccomp};
  for (uint32_t number = 0; number < 500; ++number) {
    const seccomp_data data = native(number, 0, number == SYS_seccomp ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0);
    const uint32_t before = run(full_filter(false), data).value;
    EXPECT_EQ(run(serving_filter(), data).value, more.contains(number) ? SECCOMP_RET_ALLOW : before)
        << syscall_name(number);
  }
}

TEST(SyscallName, KnowsTheKernelsNames) {
  EXPECT_EQ(syscall_name(SYS_read), "read");
  EXPECT_EQ(syscall_name(SYS_mount_setattr), "mount_setattr");
  EXPECT_EQ(syscall_name(337), "unknown syscall") << "a gap in the table";
  EXPECT_EQ(syscall_name(0xffffffff), "unknown syscall");
}

}  // namespace
}  // namespace sandstone::walls
