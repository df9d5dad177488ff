// What the stress tests share: many tasks at once, each on a thread of its own.
#pragma once

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <thread>
#include <vector>

#include "booted.h"
#include "system.h"

namespace sandstone {

class Stress : public BootedKernel {
 protected:
  // Runs each of the bodies on a thread and as a task of its own; all share files.
  using Body = std::function<void(KernelTask&)>;
  void all(const std::vector<Body>& bodies, uint64_t flags = CLONE_FILES | SIGCHLD) {
    std::vector<KernelTask> tasks;
    std::vector<std::thread> threads;
    for (size_t i = 0; i < bodies.size(); ++i) tasks.push_back(child(flags));
    for (size_t i = 0; i < bodies.size(); ++i)
      threads.emplace_back([&, i] {
        bodies[i](tasks[i]);
        tasks[i].exit(0);
      });
    for (auto& thread : threads) thread.join();
    int status = 0;
    while (task().call(SYS_wait4, -1, &status, 1 /* WNOHANG */, nullptr) > 0) {
    }
  }
  // Interrupts tasks at random until the body returns.
  void interrupting(const std::vector<KernelTask*>& tasks, const std::function<void()>& body) {
    std::atomic<bool> stop{false};
    std::thread storm([&] {
      std::minstd_rand random(static_cast<uint32_t>(test_seed()));
      while (!stop) {
        tasks[random() % tasks.size()]->interrupt();
        if (random() % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
      }
    });
    body();
    stop = true;
    storm.join();
  }
  void loopback_up() {
    const auto fd = must(SYS_socket, AF_INET, SOCK_DGRAM, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    must(SYS_ioctl, fd, SIOCSIFFLAGS, &request);
    must(SYS_close, fd);
  }
  static std::chrono::steady_clock::time_point in(int seconds) {
    return std::chrono::steady_clock::now() + std::chrono::seconds(soak() ? seconds * 10 : seconds);
  }
  static unsigned rounds(unsigned few) { return few * (soak() ? 200 : 10); }
};

}  // namespace sandstone
