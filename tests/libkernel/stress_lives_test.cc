// Tasks that are made, killed and interrupted at any moment, amid all kinds of calls: nothing is left behind.
#include <poll.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "stress.h"

namespace sandstone {
namespace {

// Tasks that block in all kinds of calls are made and killed at random; what they held is let go of.
TEST_F(Stress, TasksComeAndGo) {
  loopback_up();
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> killed{0};
  std::vector<std::thread> threads;
  const uint64_t seed = test_seed();
  for (unsigned i = 0; i < 8; ++i) {
    KernelTask parent = child();
    threads.emplace_back([&, i, mine = std::make_shared<KernelTask>(std::move(parent))] {
      std::minstd_rand random(static_cast<uint32_t>(seed + i));
      while (!stop) {
        int pipe[2];
        ASSERT_EQ(mine->call(SYS_pipe2, pipe, 0), 0);
        auto made = mine->clone(SIGCHLD);
        ASSERT_TRUE(made.ok()) << made.error().line();
        ASSERT_EQ(mine->call(SYS_close, pipe[1]), 0);  // only the child has it now
        const int pid = made->pid();
        const unsigned what = static_cast<unsigned>(random() % 6);
        std::thread thread([&] {
          KernelTask& victim = *made;
          int own[2];
          char data[64];
          const timespec wait{1000, 0};
          // A kill may come before any of these.
          const int64_t opened = victim.call(SYS_pipe2, own, 0);
          if (opened == 0) {
            switch (what) {
              case 0:
                victim.call(SYS_read, own[0], data, sizeof data);
                break;
              case 1:
                victim.call(SYS_nanosleep, &wait, nullptr);
                break;
              case 2:
                while (victim.call(SYS_write, own[1], data, sizeof data) > 0) {
                }
                break;
              case 3:
                victim.call(SYS_poll, nullptr, 0, -1);
                break;
              case 4:
                victim.call(SYS_rt_sigsuspend, nullptr, 8);
                while (victim.call(SYS_getpid) > 0) {
                }
                break;
              default:
                while (victim.call(SYS_mkdir, "/tasks", 0755) != -ESRCH &&
                       victim.call(SYS_rmdir, "/tasks") != -ESRCH) {
                }
            }
          }
          while (victim.call(SYS_pause) != -ESRCH) {
          }
        });
        if (random() % 2 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 2'000));
        ASSERT_EQ(mine->call(SYS_kill, pid, SIGKILL), 0);
        // Its end of the pipe is closed by its death.
        char byte = 0;
        ASSERT_EQ(mine->call(SYS_read, pipe[0], &byte, 1), 0);
        int status = 0;
        ASSERT_EQ(mine->call(SYS_wait4, pid, &status, 0, nullptr), pid);
        ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
        thread.join();
        ASSERT_EQ(mine->call(SYS_close, pipe[0]), 0);
        ++killed;
      }
      mine->exit(0);
    });
  }
  const auto end = in(5);
  while (std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_GT(killed, 8U);
  sandstone_statistics statistics{};
  ASSERT_EQ(sandstone_kernel_statistics(kernel().get(), &statistics), 0);
  EXPECT_LT(statistics.tasks, 100U);
}

// Tasks are killed in the middle of work on files, and the file system is whole afterwards.
TEST_F(Stress, TasksDieAmidFileWork) {
  Scratch scratch;
  const std::string image = scratch / "image";
  make_ext4(image, 64);
  auto disk = kernel().add_disk(image, SANDSTONE_DISK_PERSIST);
  ASSERT_TRUE(disk.ok()) << disk.error().line();
  ASSERT_EQ(kernel().mount_disk(*disk, "/disk"), 0);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> killed{0};
  std::vector<std::thread> threads;
  const uint64_t seed = test_seed();
  for (unsigned i = 0; i < 8; ++i) {
    threads.emplace_back([&, i, mine = std::make_shared<KernelTask>(child())] {
      std::minstd_rand random(static_cast<uint32_t>(seed + i));
      while (!stop) {
        auto made = mine->clone(SIGCHLD);
        ASSERT_TRUE(made.ok()) << made.error().line();
        const int pid = made->pid();
        const auto start = static_cast<uint32_t>(random());
        std::thread thread([&] {
          std::minstd_rand own(start);
          const std::string data(50'000, 'k');
          const std::string folder = "/disk/k" + std::to_string(own() % 3);
          for (int64_t result = 0; result != -ESRCH;) {
            const std::string path = folder + "/" + std::to_string(own() % 8),
                              other = folder + "/" + std::to_string(own() % 8);
            made->call(SYS_mkdir, folder.c_str(), 0755);
            const int64_t fd = made->call(SYS_open, path.c_str(), O_CREAT | O_RDWR, 0644);
            made->call(SYS_pwrite64, fd, data.data(), own() % data.size(), own() % 500'000);
            if (own() % 4 == 0) made->call(SYS_fsync, fd);
            if (own() % 4 == 0) made->call(SYS_ftruncate, fd, own() % 100'000);
            made->call(SYS_close, fd);
            result = own() % 2 == 0 ? made->call(SYS_rename, path.c_str(), other.c_str())
                                    : made->call(SYS_unlink, other.c_str());
          }
        });
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 5'000));
        ASSERT_EQ(mine->call(SYS_kill, pid, SIGKILL), 0);
        int status = 0;
        ASSERT_EQ(mine->call(SYS_wait4, pid, &status, 0, nullptr), pid);
        thread.join();
        ++killed;
      }
      mine->exit(0);
    });
  }
  const auto end = in(5);
  while (std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_GT(killed, 8U);
  ASSERT_EQ(kernel_->halt(), 0);
  kernel_.reset();
  expect_clean(image);
}

// An interrupt ends a call with EINTR or lets it have its result, and leaves nothing behind for the next.
TEST_F(Stress, InterruptsEndCallsRight) {
  std::vector<KernelTask> tasks;
  std::vector<KernelTask*> pointers;
  for (unsigned i = 0; i < 8; ++i) tasks.push_back(child());
  for (KernelTask& one : tasks) pointers.push_back(&one);
  std::atomic<uint64_t> ended{0}, whole{0};
  interrupting(pointers, [&] {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 8; ++i)
      threads.emplace_back([&, i] {
        KernelTask& mine = tasks[i];
        std::minstd_rand random(i);
        int pipe[2];
        ASSERT_EQ(mine.call(SYS_pipe2, pipe, 0), 0);
        const int64_t event = mine.call(SYS_eventfd2, 0, 0);
        ASSERT_GE(event, 0);
        const auto until = in(3);
        while (std::chrono::steady_clock::now() < until) {
          char data[100];
          int64_t result = 0;
          const timespec wait{0, static_cast<long>(random() % 200'000)};
          pollfd poll{pipe[0], POLLIN, 0};
          uint64_t value = 0;
          switch (random() % 5) {
            case 0:
              result = mine.call(SYS_nanosleep, &wait, nullptr);
              ASSERT_TRUE(result == 0 || result == -EINTR) << result;
              break;
            case 1:
              result = mine.call(SYS_poll, &poll, 1, 1);
              ASSERT_TRUE(result == 0 || result == -EINTR) << result;
              break;
            case 2:
              result = mine.call(SYS_read, event, &value, 8);  // until it is interrupted
              ASSERT_EQ(result, -EINTR);
              break;
            case 3:
              // Does not block, so it is not interrupted.
              result = mine.call(SYS_write, pipe[1], data, sizeof data);
              ASSERT_TRUE(result == 100 || result == -EINTR) << result;
              if (result == 100) {
                ASSERT_EQ(mine.call(SYS_read, pipe[0], data, sizeof data), 100);
              }
              break;
            default:
              result = mine.call(SYS_getpid);
              ASSERT_EQ(result, mine.pid());
          }
          ++(result == -EINTR ? ended : whole);
        }
      });
    for (auto& thread : threads) thread.join();
  });
  EXPECT_GT(ended, 0U);
  EXPECT_GT(whole, 0U);
}

}  // namespace
}  // namespace sandstone
