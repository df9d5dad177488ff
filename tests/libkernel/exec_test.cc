// exec's half that belongs to the kernel: what is closed, who one is afterwards, and what /proc tells.
#include <cerrno>
#include <csignal>

#include "booted.h"

namespace sandstone {
namespace {

class Exec : public BootedKernel {
 protected:
  void SetUp() override {
    BootedKernel::SetUp();
    ASSERT_EQ(kernel().mount_basics(), 0);
    must(SYS_mkdir, "/bin", 0755);
    write_file("/bin/program", "anything: nobody of the kernel's looks into it", 0755);
  }

  void write_file(const char* path, const std::string& text, mode_t mode) {
    const auto fd = must(SYS_open, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
    must(SYS_write, fd, text.data(), text.size());
    must(SYS_fchmod, fd, mode);
    must(SYS_close, fd);
  }

  std::string read_file(KernelTask& by, const char* path) {
    char text[4096] = {};
    const auto fd = must(by, SYS_open, path, O_RDONLY);
    const auto got = must(by, SYS_read, fd, text, sizeof text);
    must(by, SYS_close, fd);
    return {text, static_cast<size_t>(got > 0 ? got : 0)};
  }
};

TEST_F(Exec, ClosesWhatAsksForItAndTellsProc) {
  KernelTask mine = child();
  const auto stays = must(mine, SYS_open, "/bin/program", O_RDONLY);
  const auto goes = must(mine, SYS_open, "/bin/program", O_RDONLY | O_CLOEXEC);
  const char* arguments[] = {"name", "first argument", "", nullptr};
  const char* environment[] = {"HOME=/root", "X=y", nullptr};
  EXPECT_EQ(mine.call(SYS_execve, "/bin/program", arguments, environment), 0);
  EXPECT_EQ(mine.call(SYS_fcntl, goes, F_GETFD), -EBADF);
  EXPECT_EQ(mine.call(SYS_fcntl, stays, F_GETFD), 0);
  EXPECT_EQ(read_file(mine, "/proc/self/comm"), "program\n");
  EXPECT_EQ(read_file(mine, "/proc/self/cmdline"), std::string("name\0first argument\0\0", 21));
  EXPECT_EQ(read_file(mine, "/proc/self/environ"), std::string("HOME=/root\0X=y\0", 15));
  char target[64] = {};
  must(mine, SYS_readlink, "/proc/self/exe", target, sizeof target);
  EXPECT_STREQ(target, "/bin/program");
  EXPECT_EQ(mine.call(SYS_getpid), mine.pid());
  mine.exit(0);
}

TEST_F(Exec, ResetsHandlersAndKeepsTheMask) {
  KernelTask mine = child();
  struct {
    uint64_t handler, flags, restorer, mask;
  } action{0x1000, 0x04000000 /* SA_RESTORER */, 0x2000, 0}, after{};
  must(mine, SYS_rt_sigaction, SIGUSR1, &action, nullptr, 8);
  const uint64_t blocked = 1ULL << (SIGUSR2 - 1);
  must(mine, SYS_rt_sigprocmask, SIG_BLOCK, &blocked, nullptr, 8);
  const char* arguments[] = {"p", nullptr};
  EXPECT_EQ(mine.call(SYS_execve, "/bin/program", arguments, arguments + 1), 0);
  must(mine, SYS_rt_sigaction, SIGUSR1, nullptr, &after, 8);
  EXPECT_EQ(after.handler, 0U);
  uint64_t mask = 0;
  must(mine, SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &mask, 8);
  EXPECT_EQ(mask, blocked);
  mine.exit(0);
}

TEST_F(Exec, GivesTheOwnersIdWhereTheFileSaysSo) {
  write_file("/bin/setuid", "s", 0755);
  must(SYS_chown, "/bin/setuid", 1000, 1000);
  must(SYS_chmod, "/bin/setuid", 04755);
  KernelTask mine = child();
  must(mine, SYS_setresgid, 2000, 2000, 2000);
  must(mine, SYS_setresuid, 2000, 2000, 2000);
  const char* arguments[] = {"p", nullptr};
  EXPECT_EQ(mine.call(SYS_execve, "/bin/program", arguments, arguments + 1), 0);
  EXPECT_EQ(mine.call(SYS_geteuid), 2000);
  EXPECT_EQ(mine.call(SYS_execve, "/bin/setuid", arguments, arguments + 1), 0);
  EXPECT_EQ(mine.call(SYS_geteuid), 1000);
  EXPECT_EQ(mine.call(SYS_getuid), 2000);
  mine.exit(0);
}

TEST_F(Exec, RefusesAsLinuxDoes) {
  KernelTask mine = child();
  const char* arguments[] = {"p", nullptr};
  EXPECT_EQ(mine.call(SYS_execve, "/bin/nothing", arguments, arguments + 1), -ENOENT);
  write_file("/bin/plain", "not executable", 0644);
  EXPECT_EQ(mine.call(SYS_execve, "/bin/plain", arguments, arguments + 1), -EACCES);
  EXPECT_EQ(mine.call(SYS_execve, "/bin", arguments, arguments + 1), -EACCES);
  EXPECT_EQ(mine.call(SYS_execve, "/bin/program", 8, nullptr), -EFAULT);
  EXPECT_EQ(mine.call(SYS_getpid), mine.pid());  // unharmed
  mine.exit(0);
}

TEST_F(Exec, OfAScriptIsOfItsInterpreter) {
  write_file("/bin/script", "#!/bin/program -x\n", 0755);
  KernelTask mine = child();
  const char* arguments[] = {"zero", "one", nullptr};
  EXPECT_EQ(mine.call(SYS_execve, "/bin/script", arguments, arguments + 2), 0);
  EXPECT_EQ(read_file(mine, "/proc/self/cmdline"), std::string("/bin/program\0-x\0/bin/script\0one\0", 32));
  char target[64] = {};
  must(mine, SYS_readlink, "/proc/self/exe", target, sizeof target);
  EXPECT_STREQ(target, "/bin/program");
  mine.exit(0);
}

}  // namespace
}  // namespace sandstone
