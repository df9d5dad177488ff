// Many tasks at once on everything that blocks and wakes. What each test counts must come out exactly.
#include <arpa/inet.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "stress.h"

namespace sandstone {
namespace {

// Numbered bytes through a pipe: a stream, whole and in order, whoever is interrupted.
struct Stream {
  uint64_t sent = 0, received = 0;
  static char at(uint64_t position) { return static_cast<char>(position * 31 + position / 257); }
};

void write_stream(KernelTask& task, int64_t fd, uint64_t total, uint32_t seed,
                  std::atomic<uint64_t>* interrupted = nullptr) {
  std::minstd_rand random(seed);
  std::vector<char> data(20'000);
  for (uint64_t done = 0; done < total;) {
    const auto size =
        std::min<uint64_t>(total - done, 1 + random() % (random() % 8 == 0 ? data.size() : 500));
    for (uint64_t i = 0; i < size; ++i) data[i] = Stream::at(done + i);
    const int64_t wrote = task.call(SYS_write, fd, data.data(), size);
    if (wrote == -EINTR) {
      if (interrupted != nullptr) ++*interrupted;
      continue;
    }
    ASSERT_GT(wrote, 0) << std::strerror(static_cast<int>(-wrote));
    ASSERT_LE(wrote, static_cast<int64_t>(size));
    done += static_cast<uint64_t>(wrote);
  }
}

void read_stream(KernelTask& task, int64_t fd, uint64_t total, uint32_t seed,
                 std::atomic<uint64_t>* interrupted = nullptr) {
  std::minstd_rand random(seed);
  std::vector<char> data(20'000);
  for (uint64_t done = 0; done < total;) {
    const auto size = 1 + random() % (random() % 8 == 0 ? data.size() : 500);
    const int64_t got = task.call(SYS_read, fd, data.data(), size);
    if (got == -EINTR) {
      if (interrupted != nullptr) ++*interrupted;
      continue;
    }
    ASSERT_GT(got, 0) << std::strerror(static_cast<int>(-got));
    for (int64_t i = 0; i < got; ++i)
      ASSERT_EQ(data[static_cast<size_t>(i)], Stream::at(done + static_cast<uint64_t>(i)));
    done += static_cast<uint64_t>(got);
  }
}

TEST_F(Stress, PipesLoseNothingWhileInterrupted) {
  constexpr unsigned pairs = 8;
  const uint64_t total = rounds(1) * 300'000ULL;
  std::vector<KernelTask> tasks;
  std::vector<KernelTask*> all_tasks;
  for (unsigned i = 0; i < 2 * pairs; ++i) tasks.push_back(child(CLONE_FILES | SIGCHLD));
  for (KernelTask& one : tasks) all_tasks.push_back(&one);
  std::atomic<uint64_t> interrupted{0};
  interrupting(all_tasks, [&] {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < pairs; ++i) {
      int ends[2];
      if (i % 2 == 0) {
        must(SYS_pipe2, ends, 0);
      } else {
        must(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends);
      }
      threads.emplace_back(
          [&, i, out = ends[1]] { write_stream(tasks[size_t{2} * i], out, total, i, &interrupted); });
      threads.emplace_back(
          [&, i, in = ends[0]] { read_stream(tasks[size_t{2} * i + 1], in, total, 100 + i, &interrupted); });
    }
    for (auto& thread : threads) thread.join();
  });
  EXPECT_GT(interrupted, 0U);
}

// Through splice and tee, from pipe to pipe.
TEST_F(Stress, SpliceAndTee) {
  const uint64_t total = rounds(1) * 500'000ULL;
  std::vector<Body> bodies;
  for (unsigned i = 0; i < 4; ++i) {
    int a[2], b[2], c[2];
    must(SYS_pipe2, a, 0);
    must(SYS_pipe2, b, 0);
    must(SYS_pipe2, c, 0);
    bodies.emplace_back([=](KernelTask& task) { write_stream(task, a[1], total, i); });
    bodies.emplace_back([=](KernelTask& task) {
      // What is teed to b is then moved to c: both have all of it.
      for (uint64_t done = 0; done < total;) {
        const int64_t teed = task.call(SYS_tee, a[0], b[1], 5'000, 0);
        ASSERT_GT(teed, 0);
        for (int64_t left = teed; left > 0;) {
          const int64_t moved = task.call(SYS_splice, a[0], nullptr, c[1], nullptr, left, 0);
          ASSERT_GT(moved, 0);
          left -= moved;
        }
        done += static_cast<uint64_t>(teed);
      }
    });
    bodies.emplace_back([=](KernelTask& task) { read_stream(task, b[0], total, i); });
    bodies.emplace_back([=](KernelTask& task) { read_stream(task, c[0], total, i + 7); });
  }
  all(bodies);
}

TEST_F(Stress, EpollWakesForEverything) {
  constexpr unsigned producers = 6, consumers = 6;
  const unsigned each = rounds(3'000);
  for (const uint32_t how :
       {uint32_t{EPOLLIN}, uint32_t{EPOLLIN | EPOLLET}, uint32_t{EPOLLIN | EPOLLONESHOT}}) {
    const auto epoll = must(SYS_epoll_create1, 0);
    std::vector<int64_t> events;
    for (unsigned i = 0; i < producers; ++i) {
      events.push_back(must(SYS_eventfd2, 0, EFD_SEMAPHORE | EFD_NONBLOCK));
      epoll_event event{how, {.u64 = static_cast<uint64_t>(events[i])}};
      must(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, events[i], &event);
    }
    const auto end = must(SYS_eventfd2, 0, 0);  // level: wakes all consumers, for good
    epoll_event event{EPOLLIN, {.u64 = static_cast<uint64_t>(end)}};
    must(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, end, &event);
    std::atomic<unsigned> taken{0};
    std::vector<Body> bodies;
    for (unsigned i = 0; i < producers; ++i)
      bodies.emplace_back([&, i](KernelTask& task) {
        const uint64_t one = 1;
        for (unsigned n = 0; n < each; ++n) ASSERT_EQ(task.call(SYS_write, events[i], &one, 8), 8);
      });
    for (unsigned i = 0; i < consumers; ++i)
      bodies.emplace_back([&](KernelTask& task) {
        while (taken < producers * each) {
          epoll_event ready[3];
          const int64_t count = task.call(SYS_epoll_wait, epoll, ready, 3, -1);
          ASSERT_GT(count, 0) << count;
          for (int64_t n = 0; n < count; ++n) {
            const uint64_t fd = ready[n].data.u64;
            if (fd == static_cast<uint64_t>(end)) continue;
            uint64_t value = 0;
            int64_t got = 0;
            while ((got = task.call(SYS_read, fd, &value, 8)) == 8) ++taken;
            ASSERT_EQ(got, -EAGAIN);
            if ((how & EPOLLONESHOT) != 0) {
              epoll_event again{how, {.u64 = fd}};
              ASSERT_EQ(task.call(SYS_epoll_ctl, epoll, EPOLL_CTL_MOD, fd, &again), 0);
            }
          }
        }
        const uint64_t one = 1;
        task.call(SYS_write, end, &one, 8);
      });
    all(bodies);
    EXPECT_EQ(taken, producers * each);
    for (const int64_t fd : events) must(SYS_close, fd);
    must(SYS_close, end);
    must(SYS_close, epoll);
  }
}

TEST_F(Stress, TimersAndSignalsByDescriptor) {
  std::vector<Body> bodies;
  for (unsigned i = 0; i < 6; ++i)
    bodies.emplace_back([&](KernelTask& task) {
      const int64_t timer = task.call(SYS_timerfd_create, CLOCK_MONOTONIC, 0);
      ASSERT_GE(timer, 0);
      itimerspec every{{0, 500'000}, {0, 500'000}};
      ASSERT_EQ(task.call(SYS_timerfd_settime, timer, 0, &every, nullptr), 0);
      for (uint64_t ticks = 0; ticks < rounds(500);) {
        uint64_t count = 0;
        ASSERT_EQ(task.call(SYS_read, timer, &count, 8), 8);
        ASSERT_GT(count, 0U);
        ticks += count;
      }
      task.call(SYS_close, timer);
    });
  // Each gets its own signals, all of them: real-time ones are counted.
  for (unsigned i = 0; i < 5; ++i) {
    auto pid = std::make_shared<std::atomic<int>>(0);
    bodies.emplace_back([=, this](KernelTask& task) {
      const uint64_t mask = 1ULL << (SIGRTMIN - 1);
      ASSERT_EQ(task.call(SYS_rt_sigprocmask, SIG_BLOCK, &mask, nullptr, 8), 0);
      const int64_t fd = task.call(SYS_signalfd4, -1, &mask, 8, 0);
      ASSERT_GE(fd, 0);
      *pid = task.pid();
      for (int n = 0; n < static_cast<int>(rounds(2'000)); ++n) {
        signalfd_siginfo info{};
        ASSERT_EQ(task.call(SYS_read, fd, &info, sizeof info), static_cast<int64_t>(sizeof info));
        ASSERT_EQ(info.ssi_signo, static_cast<uint32_t>(SIGRTMIN));
        ASSERT_EQ(info.ssi_int, n);
      }
      task.call(SYS_close, fd);
    });
    bodies.emplace_back([=, this](KernelTask& task) {
      while (*pid == 0) std::this_thread::yield();
      for (int n = 0; n < static_cast<int>(rounds(2'000)); ++n) {
        siginfo_t info{};
        info.si_signo = SIGRTMIN;
        info.si_code = SI_QUEUE;
        info.si_value.sival_int = n;
        int64_t sent = 0;
        while ((sent = task.call(SYS_rt_sigqueueinfo, pid->load(), SIGRTMIN, &info)) == -EAGAIN)
          task.call(SYS_sched_yield);
        ASSERT_EQ(sent, 0) << n;
      }
    });
  }
  all(bodies);
}

TEST_F(Stress, SignalsForHandlersAreAllDelivered) {
  // Senders and receivers; each signal shows up once at the receiver's own calls.
  std::vector<Body> bodies;
  for (unsigned i = 0; i < 8; ++i) {
    auto pid = std::make_shared<std::atomic<int>>(0);
    const unsigned count = rounds(1'000);
    bodies.emplace_back([=, this](KernelTask& task) {
      struct {
        uint64_t handler, flags, restorer, mask;
      } action{0x1000, SA_SIGINFO | 0x04000000U | (i % 2 == 0 ? SA_RESTART : 0U), 0x2000, 0};
      ASSERT_EQ(task.call(SYS_rt_sigaction, SIGRTMIN + 1, &action, nullptr, 8), 0);
      *pid = task.pid();
      for (unsigned got = 0; got < count;) {
        const timespec wait{1, 0};
        const int64_t slept = task.call(SYS_nanosleep, &wait, nullptr);
        sandstone_signal signal{};
        if (sandstone_task_signal(task.get(), &signal) == 1) {
          ASSERT_TRUE(slept == -EINTR || slept == 0 || slept == -512 /* ERESTARTSYS */) << slept;
          ASSERT_EQ(signal.number, static_cast<uint32_t>(SIGRTMIN + 1));
          siginfo_t info{};
          std::memcpy(&info, signal.info, sizeof info);
          ASSERT_EQ(info.si_value.sival_int, static_cast<int>(got));
          ++got;
          const int64_t restored = task.call(SYS_rt_sigprocmask, SIG_SETMASK, &signal.mask, nullptr, 8);
          ASSERT_EQ(restored, 0);
          // The next may have come with that very call.
          while (got < count && sandstone_task_signal(task.get(), &signal) == 1) {
            std::memcpy(&info, signal.info, sizeof info);
            ASSERT_EQ(info.si_value.sival_int, static_cast<int>(got));
            ++got;
            ASSERT_EQ(task.call(SYS_rt_sigprocmask, SIG_SETMASK, &signal.mask, nullptr, 8), 0);
          }
        } else {
          ASSERT_EQ(slept, 0);
        }
      }
    });
    bodies.emplace_back([=, this](KernelTask& task) {
      while (*pid == 0) std::this_thread::yield();
      for (unsigned n = 0; n < count; ++n) {
        siginfo_t info{};
        info.si_signo = SIGRTMIN + 1;
        info.si_code = SI_QUEUE;
        info.si_value.sival_int = static_cast<int>(n);
        int64_t sent = 0;
        while ((sent = task.call(SYS_rt_sigqueueinfo, pid->load(), SIGRTMIN + 1, &info)) == -EAGAIN)
          task.call(SYS_sched_yield);
        ASSERT_EQ(sent, 0);
      }
    });
  }
  all(bodies);
}

TEST_F(Stress, InotifyTellsOfEachFile) {
  kernel().mount_basics();
  const auto limit = must(SYS_open, "/proc/sys/fs/inotify/max_queued_events", O_WRONLY);
  must(SYS_write, limit, "10000000", 8);
  must(SYS_mkdir, "/watched", 0755);
  const auto watch = must(SYS_inotify_init1, 0);
  must(SYS_inotify_add_watch, watch, "/watched", IN_CREATE | IN_DELETE);
  constexpr unsigned makers = 6;
  const unsigned each = rounds(400);
  std::vector<Body> bodies;
  for (unsigned i = 0; i < makers; ++i)
    bodies.emplace_back([&, i](KernelTask& task) {
      for (unsigned n = 0; n < each; ++n) {
        const std::string path = "/watched/" + std::to_string(i) + "_" + std::to_string(n);
        const int64_t fd = task.call(SYS_open, path.c_str(), O_CREAT | O_RDWR, 0600);
        ASSERT_GE(fd, 0);
        ASSERT_EQ(task.call(SYS_close, fd), 0);
        ASSERT_EQ(task.call(SYS_unlink, path.c_str()), 0);
      }
    });
  bodies.emplace_back([&](KernelTask& task) {
    unsigned made = 0, gone = 0;
    while (made + gone < 2 * makers * each) {
      alignas(8) char events[4096];
      const int64_t got = task.call(SYS_read, watch, events, sizeof events);
      ASSERT_GT(got, 0);
      for (int64_t at = 0; at < got;) {
        inotify_event event{};
        std::memcpy(&event, events + at, sizeof event);
        ASSERT_EQ(event.mask & IN_Q_OVERFLOW, 0U);
        made += (event.mask & IN_CREATE) != 0 ? 1 : 0;
        gone += (event.mask & IN_DELETE) != 0 ? 1 : 0;
        at += static_cast<int64_t>(sizeof event + event.len);
      }
    }
    EXPECT_EQ(made, makers * each);
    EXPECT_EQ(gone, makers * each);
  });
  all(bodies);
}

// Descriptors travel by socket, and datagrams keep their borders.
TEST_F(Stress, UnixSockets) {
  std::vector<Body> bodies;
  const unsigned count = rounds(1'000);
  for (unsigned i = 0; i < 8; ++i) {
    int ends[2];
    must(SYS_socketpair, AF_UNIX, i % 2 == 0 ? SOCK_SEQPACKET : SOCK_DGRAM, 0, ends);
    bodies.emplace_back([=](KernelTask& task) {
      for (unsigned n = 0; n < count; ++n) {
        int pipe[2];
        ASSERT_EQ(task.call(SYS_pipe2, pipe, 0), 0);
        ASSERT_EQ(task.call(SYS_write, pipe[1], &n, sizeof n), 4);
        std::vector<char> data(1 + n % 3000, static_cast<char>(n));
        iovec part{data.data(), data.size()};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &pipe[0], sizeof(int));
        int64_t sent = 0;
        while ((sent = task.call(SYS_sendmsg, ends[0], &message, 0)) == -ETOOMANYREFS)
          task.call(SYS_sched_yield);
        ASSERT_EQ(sent, static_cast<int64_t>(data.size()));
        ASSERT_EQ(task.call(SYS_close, pipe[0]), 0);
        ASSERT_EQ(task.call(SYS_close, pipe[1]), 0);
      }
    });
    bodies.emplace_back([=](KernelTask& task) {
      for (unsigned n = 0; n < count; ++n) {
        std::vector<char> data(4000);
        iovec part{data.data(), data.size()};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        ASSERT_EQ(task.call(SYS_recvmsg, ends[1], &message, 0), 1 + n % 3000);
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        ASSERT_NE(header, nullptr);
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
        unsigned told = 0;
        ASSERT_EQ(task.call(SYS_read, fd, &told, sizeof told), 4);
        ASSERT_EQ(told, n);
        ASSERT_EQ(task.call(SYS_read, fd, &told, sizeof told), 0);  // its other end was closed
        ASSERT_EQ(task.call(SYS_close, fd), 0);
      }
    });
  }
  all(bodies, SIGCHLD);
}

TEST_F(Stress, TcpOverLoopback) {
  loopback_up();
  const auto server = must(SYS_socket, AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(4000);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  must(SYS_bind, server, &address, sizeof address);
  must(SYS_listen, server, 64);
  const uint64_t total = 300'000;
  const unsigned connections = rounds(6);
  std::vector<Body> bodies;
  for (unsigned i = 0; i < 8; ++i) {
    bodies.emplace_back([=](KernelTask& task) {
      for (unsigned n = 0; n < connections; ++n) {
        const int64_t fd = task.call(SYS_accept4, server, nullptr, nullptr, 0);
        ASSERT_GE(fd, 0);
        read_stream(task, fd, total, i);
        char last = 0;
        ASSERT_EQ(task.call(SYS_read, fd, &last, 1), 0);
        ASSERT_EQ(task.call(SYS_write, fd, "k", 1), 1);
        ASSERT_EQ(task.call(SYS_close, fd), 0);
      }
    });
    bodies.emplace_back([=](KernelTask& task) {
      for (unsigned n = 0; n < connections; ++n) {
        const int64_t fd = task.call(SYS_socket, AF_INET, SOCK_STREAM, 0);
        ASSERT_EQ(task.call(SYS_connect, fd, &address, sizeof address), 0);
        write_stream(task, fd, total, n);
        ASSERT_EQ(task.call(SYS_shutdown, fd, SHUT_WR), 0);
        char answer = 0;
        ASSERT_EQ(task.call(SYS_read, fd, &answer, 1), 1);
        ASSERT_EQ(task.call(SYS_close, fd), 0);
      }
    });
  }
  all(bodies, SIGCHLD);
}

TEST_F(Stress, QueuesAndSemaphores) {
  const unsigned count = rounds(1'500);
  const auto sysv = must(SYS_msgget, IPC_PRIVATE, 0600);
  const auto semaphore = must(SYS_semget, IPC_PRIVATE, 1, 0600);
  mq_attr attributes{};
  attributes.mq_maxmsg = 8;
  attributes.mq_msgsize = 64;
  const auto posix = must(SYS_mq_open, "queue", O_CREAT | O_RDWR, 0600, &attributes);
  std::atomic<uint64_t> sum_out{0}, sum_in{0};
  uint64_t guarded = 0;  // by the semaphore
  std::vector<Body> bodies;
  sembuf up{0, 1, 0};
  must(SYS_semop, semaphore, &up, 1);
  for (unsigned i = 0; i < 4; ++i) {
    bodies.emplace_back([&, i](KernelTask& task) {
      struct {
        long type;
        uint64_t value;
      } message{};
      for (unsigned n = 0; n < count; ++n) {
        message = {1 + static_cast<long>(n % 3), i * 1'000'000ULL + n};
        ASSERT_EQ(task.call(SYS_msgsnd, sysv, &message, 8, 0), 0);
        sum_out += message.value;
      }
    });
    bodies.emplace_back([&](KernelTask& task) {
      struct {
        long type;
        uint64_t value;
      } message{};
      for (unsigned n = 0; n < count; ++n) {
        ASSERT_EQ(task.call(SYS_msgrcv, sysv, &message, 8, 0, 0), 8);
        sum_in += message.value;
      }
    });
    bodies.emplace_back([&, i](KernelTask& task) {
      for (unsigned n = 0; n < count; ++n) {
        const uint64_t value = i * 3'000'000ULL + n;
        ASSERT_EQ(task.call(SYS_mq_timedsend, posix, &value, sizeof value, n % 8, nullptr), 0);
        sum_out += value;
      }
    });
    bodies.emplace_back([&](KernelTask& task) {
      for (unsigned n = 0; n < count; ++n) {
        char data[64];
        uint64_t value = 0;
        ASSERT_EQ(task.call(SYS_mq_timedreceive, posix, data, sizeof data, nullptr, nullptr), 8);
        std::memcpy(&value, data, sizeof value);
        sum_in += value;
        sembuf down{0, -1, 0}, release{0, 1, 0};
        ASSERT_EQ(task.call(SYS_semop, semaphore, &down, 1), 0);
        ++guarded;
        ASSERT_EQ(task.call(SYS_semop, semaphore, &release, 1), 0);
      }
    });
  }
  all(bodies);
  EXPECT_EQ(sum_in, sum_out);
  EXPECT_EQ(guarded, 4ULL * count);
}

}  // namespace
}  // namespace sandstone
