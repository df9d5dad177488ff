// Tasks: what they share, that one blocks alone, signals, interrupts, and how they end.
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <thread>
#include <vector>

#include "booted.h"

namespace sandstone {
namespace {

using Tasks = BootedKernel;

TEST_F(Tasks, HaveTheirOwnFilesAndFolder) {
  must(SYS_mkdir, "/a", 0755);
  KernelTask other = child();
  must(other, SYS_chdir, "/a");
  const auto fd = must(other, SYS_open, "in", O_CREAT | O_RDWR, 0600);
  EXPECT_EQ(task().call(SYS_close, fd), -EBADF);
  EXPECT_EQ(task().call(SYS_open, "in", O_RDONLY), -ENOENT);
  must(SYS_open, "/a/in", O_RDONLY);
  EXPECT_EQ(other.call(SYS_getppid), 1);
  EXPECT_EQ(other.call(SYS_getpid), other.pid());
  other.exit(0);
}

TEST_F(Tasks, ShareWhatCloneSays) {
  KernelTask other = child(SIGCHLD | CLONE_FILES);
  const auto fd = must(other, SYS_open, "/x", O_CREAT | O_RDWR, 0600);
  EXPECT_EQ(task().call(SYS_close, fd), 0);
  other.exit(0);
}

TEST_F(Tasks, TakeTheNumberTheyAreGiven) {
  auto made = task().clone(SIGCHLD, 4321);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->call(SYS_getpid), 4321);
  EXPECT_FALSE(task().clone(SIGCHLD, 4321).ok());
  made->exit(0);
}

TEST_F(Tasks, EndAsWaitSees) {
  KernelTask other = child();
  const int pid = other.pid();
  other.exit(7);
  int status = 0;
  EXPECT_EQ(must(SYS_wait4, pid, &status, 0, nullptr), pid);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST_F(Tasks, BlockAlone) {
  int pipe[2];
  must(SYS_pipe2, pipe, 0);
  KernelTask reader = child();
  std::atomic<bool> done{false};
  char byte = 0;
  std::thread thread([&] {
    EXPECT_EQ(reader.call(SYS_read, pipe[0], &byte, 1), 1);
    done = true;
  });
  for (int i = 0; i < 100'000; ++i) ASSERT_EQ(task().call(SYS_getpid), 1);
  EXPECT_FALSE(done);
  must(SYS_write, pipe[1], "x", 1);
  thread.join();
  EXPECT_EQ(byte, 'x');
}

TEST_F(Tasks, TalkInTurns) {
  int there[2];
  int back[2];
  must(SYS_pipe2, there, 0);
  must(SYS_pipe2, back, 0);
  KernelTask other = child();
  std::thread thread([&] {
    char byte = 0;
    for (int i = 0; i < 20'000; ++i) {
      ASSERT_EQ(other.call(SYS_read, there[0], &byte, 1), 1);
      ++byte;
      ASSERT_EQ(other.call(SYS_write, back[1], &byte, 1), 1);
    }
  });
  for (int i = 0; i < 20'000; ++i) {
    char byte = static_cast<char>(i);
    ASSERT_EQ(task().call(SYS_write, there[1], &byte, 1), 1);
    ASSERT_EQ(task().call(SYS_read, back[0], &byte, 1), 1);
    ASSERT_EQ(byte, static_cast<char>(i + 1));
  }
  thread.join();
}

TEST_F(Tasks, CanBeInterrupted) {
  int pipe[2];
  must(SYS_pipe2, pipe, 0);
  KernelTask reader = child();
  std::atomic<int64_t> result{0};
  std::thread thread([&] {
    char byte = 0;
    result = reader.call(SYS_read, pipe[0], &byte, 1);
  });
  while (result == 0) {
    EXPECT_EQ(reader.interrupt(), 0);
    std::this_thread::yield();
  }
  thread.join();
  EXPECT_EQ(result, -EINTR);
  EXPECT_EQ(reader.call(SYS_getpid), reader.pid());  // and goes on
}

TEST_F(Tasks, DieOfSignalsWhereverTheyAre) {
  int pipe[2];
  must(SYS_pipe2, pipe, 0);
  KernelTask blocked = child();
  KernelTask outside = child();
  std::thread thread([&] {
    char byte = 0;
    EXPECT_EQ(blocked.call(SYS_read, pipe[0], &byte, 1), -ESRCH);
  });
  for (KernelTask* one : {&blocked, &outside}) {
    must(SYS_kill, one->pid(), SIGKILL);
    int status = 0;
    EXPECT_EQ(must(SYS_wait4, one->pid(), &status, 0, nullptr), one->pid());
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGKILL);
  }
  thread.join();
  EXPECT_EQ(outside.call(SYS_getpid), -ESRCH);
}

TEST_F(Tasks, GetSignalsForTheirHandlers) {
  struct {
    uint64_t handler, flags, restorer, mask;
  } action{0x1000, SA_SIGINFO | 0x04000000 /* SA_RESTORER */, 0x2000, 1ULL << (SIGUSR2 - 1)};
  must(SYS_rt_sigaction, SIGUSR1, &action, nullptr, 8);
  EXPECT_EQ(task().call(SYS_kill, 1, SIGUSR1), 0);
  sandstone_signal signal{};
  ASSERT_EQ(sandstone_task_signal(task().get(), &signal), 1);
  EXPECT_EQ(signal.number, static_cast<uint32_t>(SIGUSR1));
  EXPECT_EQ(signal.handler, 0x1000U);
  EXPECT_EQ(signal.restorer, 0x2000U);
  EXPECT_EQ(signal.mask, 0U);
  siginfo_t info{};
  std::memcpy(&info, signal.info, sizeof info);
  EXPECT_EQ(info.si_pid, 1);
  EXPECT_EQ(sandstone_task_signal(task().get(), &signal), 0);
  uint64_t blocked = 0;
  must(SYS_rt_sigprocmask, SIG_SETMASK, nullptr, &blocked, 8);
  EXPECT_EQ(blocked, (1ULL << (SIGUSR1 - 1)) | (1ULL << (SIGUSR2 - 1)));
}

TEST_F(Tasks, ManyAtOnce) {
  constexpr int count = 16;
  std::vector<std::thread> threads;
  std::vector<KernelTask> tasks;
  tasks.reserve(count);
  for (int i = 0; i < count; ++i) tasks.push_back(child());
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      const std::string path = "/file" + std::to_string(i);
      for (int round = 0; round < 2000; ++round) {
        const int64_t fd = tasks[static_cast<size_t>(i)].call(SYS_open, path.c_str(), O_CREAT | O_RDWR, 0600);
        ASSERT_GE(fd, 0);
        ASSERT_EQ(tasks[static_cast<size_t>(i)].call(SYS_write, fd, &round, sizeof round), 4);
        ASSERT_EQ(tasks[static_cast<size_t>(i)].call(SYS_close, fd), 0);
        ASSERT_EQ(tasks[static_cast<size_t>(i)].call(SYS_unlink, path.c_str()), 0);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

// Whose memory the pointers mean holds from the next call on, also for the task that made the last one.
TEST_F(Tasks, ChangeTheirMemory) {
  static char name[64];
  std::strcpy(name, "/of-the-parent");
  const pid_t pid = ::fork();
  if (pid == 0) {
    for (;;) ::pause();
  }
  std::strcpy(name, "/of-both");
  must(SYS_mkdir, name, 0700);
  ASSERT_EQ(sandstone_task_memory(task().get(), pid), 0);
  must(SYS_mkdir, name, 0700);  // the child still has the old name
  ASSERT_EQ(sandstone_task_memory(task().get(), 0), 0);
  EXPECT_EQ(task().call(SYS_mkdir, name, 0700), -EEXIST);
  must(SYS_rmdir, "/of-the-parent");
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

// clone(2) by a call: the pid comes back in the parent, and the child waits to be adopted.
TEST_F(Tasks, AreAdopted) {
  const int64_t pid = must(SYS_fork);
  sandstone_task* adopted = nullptr;
  ASSERT_EQ(sandstone_task_adopt(kernel().get(), static_cast<int32_t>(pid), &adopted), 0);
  KernelTask other(adopted);
  EXPECT_EQ(other.call(SYS_getpid), pid);
  sandstone_task* again = nullptr;
  EXPECT_EQ(sandstone_task_adopt(kernel().get(), static_cast<int32_t>(pid), &again), -EBUSY);
  EXPECT_EQ(sandstone_task_adopt(kernel().get(), 99999, &again), -ESRCH);
  other.exit(0);
}

}  // namespace
}  // namespace sandstone
