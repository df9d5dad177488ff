#include "probe/program/canary.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <map>

namespace sandstone::probe_program {
namespace {

class Signals {
 public:
  Signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const auto& [number, operation] : kOperationOf) sigaddset(&set, number);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  }

  [[nodiscard]] int fd() const { return fd_; }

  void take(Seen& seen) const {
    signalfd_siginfo info{};
    while (::read(fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
      if (const auto found = kOperationOf.find(static_cast<int>(info.ssi_signo)); found != kOperationOf.end())
        seen.insert(found->second);
  }

 private:
  static inline const std::map<int, const char*> kOperationOf = {{kSignalKill, "kill"},
                                                                 {kSignalPidfd, "pidfd-send-signal"},
                                                                 {kSignalKillAll, "kill-all"},
                                                                 {kSignalOwner, "fcntl-setown"}};
  int fd_ = -1;
};

void say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

}  // namespace

void tell(const std::string& key, const std::string& value) {
  say("param " + key + " " + value);
}

int canary_main(const CanaryPlace& place) {
  ::prctl(PR_SET_NAME, kCanaryName);
  const Signals signals;
  CanaryFiles files(place);
  CanaryObjects objects(place);
  CanaryServices services(place);
  const rlimit limit{kCanaryFileLimit, kCanaryFileLimit};
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::setpriority(PRIO_PROCESS, 0, kCanaryNice);
  tell("pid", std::to_string(::getpid()));
  say("ready");

  Seen seen;
  bool running = false;
  std::string input;
  for (;;) {
    std::vector<pollfd> waits{{0, POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    for (const int fd : services.descriptors()) waits.push_back({fd, POLLIN, 0});
    if (::poll(waits.data(), waits.size(), running ? 15 : -1) < 0 && errno != EINTR) return 1;
    signals.take(seen);
    for (size_t i = 2; i < waits.size(); ++i)
      if (waits[i].revents != 0) services.serve(waits[i].fd, seen);
    if (running) services.tick();
    if (waits[0].revents == 0) continue;

    char block[256];
    const ssize_t got = ::read(0, block, sizeof block);
    if (got <= 0) return 0;
    input.append(block, static_cast<size_t>(got));
    for (size_t end = input.find('\n'); end != std::string::npos; end = input.find('\n')) {
      const std::string order = input.substr(0, end);
      input.erase(0, end + 1);
      running = order == "reset";
      if (order == "reset") {
        files.reset();
        objects.reset();
        services.reset();
        signals.take(seen);
        seen.clear();
      } else if (order == "inspect") {
        files.inspect(seen);
        objects.inspect(seen);
        signals.take(seen);
        for (const auto& operation : seen) say("seen " + operation);
      }
      say("ready");
    }
  }
}

}  // namespace sandstone::probe_program
