// Several processes on one kernel: they work side by side, and one that is killed at any moment takes nobody
// with it.
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>
#include <vector>

#include "booted.h"

namespace sandstone {
namespace {

struct ScratchFolder {
  ScratchFolder() { EXPECT_NE(::mkdtemp(path.data()), nullptr); }
  ~ScratchFolder() { std::filesystem::remove_all(path); }
  std::string path = (std::filesystem::temp_directory_path() / "sandstone-kernel-XXXXXX").string();
};

class Processes : public BootedKernel {
 protected:
  void SetUp() override {
    BootedKernel::SetUp();
    char error[256];
    ASSERT_EQ(sandstone_kernel_share(kernel().get(), error, sizeof error), 0) << error;
  }

  // A child of this process that runs `body` as a task of its own, a child of process 1's. Its host pid.
  template <typename Body>
  pid_t start(Body body) {
    sandstone_task* made = nullptr;
    EXPECT_EQ(sandstone_task_clone(task().get(), SIGCHLD, 0, &made), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (sandstone_kernel_join(kernel().get()) != 0) ::_exit(101);
      KernelTask mine(made);
      const int status = body(mine);
      mine.call(SYS_exit_group, status);
      ::_exit(status);
    }
    EXPECT_EQ(sandstone_task_give(made, pid), 0);
    return pid;
  }

  static int status_of(pid_t pid) {
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  // Takes in what is left of the kernel's own children that have ended.
  void reap() {
    while (task().call(SYS_wait4, -1, nullptr, WNOHANG, nullptr) > 0) {
    }
  }
};

TEST_F(Processes, EachHasItsOwnTaskFilesAndMemory) {
  must(SYS_mkdir, "/a", 0755);
  static int value = 1;
  const pid_t pid = start([&](KernelTask& mine) {
    value = 2;
    if (mine.call(SYS_getpid) == 1 || mine.call(SYS_getppid) != 1) return 2;
    if (mine.call(SYS_chdir, "/a") != 0) return 3;
    const int64_t fd = mine.call(SYS_open, "file", O_CREAT | O_RDWR, 0644);
    if (fd < 0 || mine.call(SYS_write, fd, &value, sizeof value) != sizeof value) return 4;
    if (mine.call(SYS_write, fd, 8, 1) != -EFAULT) return 5;
    return 42;
  });
  EXPECT_EQ(status_of(pid), 42);
  int written = 0;
  const auto fd = must(SYS_open, "/a/file", O_RDONLY);
  must(SYS_read, fd, &written, sizeof written);
  EXPECT_EQ(written, 2);
  EXPECT_EQ(value, 1);
  int status = 0;
  must(SYS_wait4, -1, &status, 0, nullptr);
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST_F(Processes, TalkThroughPipes) {
  int there[2];
  int back[2];
  must(SYS_pipe2, there, 0);
  must(SYS_pipe2, back, 0);
  const pid_t pid = start([&](KernelTask& mine) {
    for (int i = 0; i < 5000; ++i) {
      char byte = 0;
      if (mine.call(SYS_read, there[0], &byte, 1) != 1) return 2;
      ++byte;
      if (mine.call(SYS_write, back[1], &byte, 1) != 1) return 3;
    }
    return 0;
  });
  for (int i = 0; i < 5000; ++i) {
    char byte = static_cast<char>(i);
    ASSERT_EQ(task().call(SYS_write, there[1], &byte, 1), 1);
    ASSERT_EQ(task().call(SYS_read, back[0], &byte, 1), 1);
    ASSERT_EQ(byte, static_cast<char>(i + 1));
  }
  EXPECT_EQ(status_of(pid), 0);
}

TEST_F(Processes, APeerSeesTheEndOfAKilledOne) {
  int pipe[2];
  must(SYS_pipe2, pipe, 0);
  for (const bool blocked : {false, true}) {
    int other[2];
    must(SYS_pipe2, other, 0);
    const pid_t pid = start([&](KernelTask& mine) -> int {
      mine.call(SYS_close, pipe[0]);
      mine.call(SYS_write, pipe[1], "r", 1);
      char byte = 0;
      while (true)
        if (blocked) mine.call(SYS_read, other[0], &byte, 1);
    });
    char byte = 0;
    must(SYS_read, pipe[0], &byte, 1);
    // Now only the child holds the writing end of what it writes to: our own copy goes for the while.
    const auto kept = must(SYS_dup, pipe[1]);
    must(SYS_fcntl, kept, F_SETFD, 0);
    must(SYS_close, kept);
    ::kill(pid, SIGKILL);
    EXPECT_EQ(status_of(pid), 128 + SIGKILL);
    int status = 0;
    must(SYS_wait4, -1, &status, 0, nullptr);
    EXPECT_TRUE(WIFSIGNALED(status));
    must(SYS_close, other[0]);
    must(SYS_close, other[1]);
  }
  must(SYS_close, pipe[1]);
  char byte = 0;
  EXPECT_EQ(must(SYS_read, pipe[0], &byte, 1), 0);  // nobody holds it any more
}

// What a child does until it is killed: files on the disk, a pipe to a neighbour, short sleeps.
int work(KernelTask& mine, int number, const int* pipe) {
  std::minstd_rand random(static_cast<unsigned>(number));
  std::vector<char> data(20'000, static_cast<char>('a' + number % 26));
  for (int round = 0;; ++round) {
    const std::string path = "/disk/file" + std::to_string(number) + "." + std::to_string(random() % 4);
    const int64_t fd = mine.call(SYS_open, path.c_str(), O_CREAT | O_RDWR, 0644);
    if (fd < 0) return 2;
    mine.call(SYS_pwrite64, fd, data.data(), random() % data.size(), random() % 50'000);
    mine.call(SYS_pread64, fd, data.data(), random() % 4096, 0);
    if (random() % 16 == 0) mine.call(SYS_fsync, fd);
    if (random() % 4 == 0) mine.call(SYS_ftruncate, fd, random() % 10'000);
    mine.call(SYS_close, fd);
    if (random() % 4 == 0) mine.call(SYS_rename, path.c_str(), (path + "r").c_str());
    if (random() % 4 == 0) mine.call(SYS_unlink, path.c_str());
    char byte = 'x';
    mine.call(SYS_write, pipe[1], &byte, 1);
    mine.call(SYS_read, pipe[0], &byte, 1);
    if (random() % 32 == 0) {
      const timespec pause{0, static_cast<long>(random() % 300'000)};
      mine.call(SYS_nanosleep, &pause, nullptr);
    }
  }
}

TEST_F(Processes, DieAtRandomMomentsAlone) {
  const int kills = std::getenv("SANDSTONE_SOAK") != nullptr ? 1000 : 150;
  const ScratchFolder folder;
  const std::string image = folder.path + "/image";
  ASSERT_EQ(std::system(("mke2fs -q -t ext4 " + image + " 128M").c_str()), 0);
  auto disk = kernel().add_disk(image, SANDSTONE_DISK_PERSIST);
  ASSERT_TRUE(disk.ok()) << disk.error().line();
  ASSERT_EQ(kernel().mount_disk(*disk, "/disk"), 0);

  constexpr int children = 4;
  int pipes[children][2];
  for (auto& pipe : pipes) must(SYS_pipe2, pipe, O_NONBLOCK);
  std::mt19937 random(std::random_device{}());
  std::vector<pid_t> pids;
  int number = 0;
  for (int i = 0; i < children; ++i)
    pids.push_back(start([&, n = number++](KernelTask& mine) { return work(mine, n, pipes[n % children]); }));
  const auto fd = must(SYS_open, "/disk/parent", O_CREAT | O_RDWR, 0644);
  for (int i = 0; i < kills; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 5000));
    const size_t one = random() % children;
    ::kill(pids[one], SIGKILL);
    // The parent's own calls go on, whatever the dead one held.
    ASSERT_EQ(task().call(SYS_pwrite64, fd, &i, sizeof i, 0), 4);
    ASSERT_EQ(status_of(pids[one]), 128 + SIGKILL);
    pids[one] = start([&, n = number++](KernelTask& mine) { return work(mine, n, pipes[n % children]); });
    reap();
  }
  for (const pid_t pid : pids) {
    ::kill(pid, SIGKILL);
    EXPECT_EQ(status_of(pid), 128 + SIGKILL);
  }
  // Each of the dead ends as a task, too, and none other does.
  int status = 0;
  while (task().call(SYS_wait4, -1, &status, 0, nullptr) > 0) {
    EXPECT_TRUE(WIFSIGNALED(status));
  }
  sandstone_statistics statistics{};
  ASSERT_EQ(sandstone_kernel_statistics(kernel().get(), &statistics), 0);
  std::printf("killed %lu, %lu of them with the CPU\n", static_cast<unsigned long>(statistics.deaths),
              static_cast<unsigned long>(statistics.deaths_with_cpu));
  EXPECT_EQ(statistics.deaths, static_cast<uint64_t>(kills + children));
  EXPECT_GT(statistics.deaths_with_cpu, 0U);
  must(SYS_close, fd);
  EXPECT_EQ(must(SYS_umount2, "/disk", 0), 0);  // nobody is left who holds a file in it
  EXPECT_EQ(kernel().halt(), 0);
  EXPECT_EQ(std::system(("e2fsck -fn " + image + " >/dev/null 2>&1").c_str()), 0);
}

TEST(KernelProcess, ItsDeathIsToldToAllChildren) {
  int told[2];
  ASSERT_EQ(::pipe2(told, O_CLOEXEC), 0);
  const pid_t kernel_process = ::fork();
  if (kernel_process == 0) {
    auto kernel = LibraryKernel::boot();
    char error[256];
    sandstone_task *blocked = nullptr, *busy = nullptr;
    if (!kernel || sandstone_kernel_share(kernel->get(), error, sizeof error) != 0) ::_exit(1);
    int pipe[2];
    kernel->first_task().call(SYS_pipe2, pipe, 0);
    if (sandstone_task_clone(kernel->first_task().get(), SIGCHLD, 0, &blocked) != 0) ::_exit(2);
    if (sandstone_task_clone(kernel->first_task().get(), SIGCHLD, 0, &busy) != 0) ::_exit(2);
    for (sandstone_task* one : {blocked, busy}) {
      if (const pid_t child = ::fork(); child != 0) {
        if (sandstone_task_give(one, child) != 0) ::_exit(4);
        continue;
      }
      if (sandstone_kernel_join(kernel->get()) != 0) ::_exit(3);
      ::write(told[1], "j", 1);
      KernelTask mine(one);
      char byte = 0;
      int64_t result = 0;
      do result = one == blocked ? mine.call(SYS_read, pipe[0], &byte, 1) : mine.call(SYS_getppid);
      while (result >= 0);
      ::write(told[1], result == -EIO ? "e" : "?", 1);
      ::_exit(0);
    }
    ::pause();
  }
  ::close(told[1]);
  std::string said;
  char byte = 0;
  while (said.size() < 2 && ::read(told[0], &byte, 1) == 1) said += byte;
  ASSERT_EQ(said, "jj");
  ::kill(kernel_process, SIGKILL);
  int status = 0;
  ::waitpid(kernel_process, &status, 0);
  pollfd ready{.fd = told[0], .events = POLLIN, .revents = 0};
  while (::poll(&ready, 1, 30'000) == 1 && ::read(told[0], &byte, 1) == 1) said += byte;
  EXPECT_EQ(said, "jjee");
  ::close(told[0]);
}

}  // namespace
}  // namespace sandstone
