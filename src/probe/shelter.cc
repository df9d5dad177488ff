#include "probe/shelter.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/fd.h"

namespace sandstone::probe {
namespace {

// The first byte of what comes back says what the rest is.
constexpr char kValue = 'v';
constexpr char kError = 'e';
constexpr char kSeparator = '\x1f';

std::string pack(const Result<std::string>& result) {
  if (result) return kValue + result.value();
  const Error& error = result.error();
  return kError + error.where + kSeparator + error.what + kSeparator + error.remedy;
}

Result<std::string> unpack(const std::string& data) {
  if (data.empty()) return Error{"probe", "the process that ran the experiments ended without a result", {}};
  if (data[0] == kValue) return data.substr(1);
  const size_t first = data.find(kSeparator);
  const size_t second = data.find(kSeparator, first + 1);
  if (first == std::string::npos || second == std::string::npos)
    return Error{"probe", "an experiment failed", {}};
  return Error{data.substr(1, first - 1), data.substr(first + 1, second - first - 1),
               data.substr(second + 1)};
}

void write_all(int fd, const std::string& data) {
  for (size_t done = 0; done < data.size();) {
    const ssize_t put = ::write(fd, data.data() + done, data.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;
    done += static_cast<size_t>(put);
  }
}

void die_with_parent(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent && ::getppid() != 0) ::_exit(1);  // 0: the parent is outside this pid namespace
}

int wait_for(pid_t child) {
  int status = 0;
  // As process 1 of the namespace this also reaps what the experiments left behind.
  for (;;) {
    const pid_t ended = ::wait(&status);
    if (ended < 0 && errno == EINTR) continue;
    if (ended < 0 || ended == child) return status;
  }
}

[[noreturn]] void run_body(const std::function<Result<std::string>(const Shelter&)>& body,
                           const Shelter& shelter, int out) {
  ::setsid();
  write_all(out, pack(body(shelter)));
  ::_exit(0);
}

// The pid namespace's process 1. When it ends, the kernel ends everything in there.
[[noreturn]] void run_first(const std::function<Result<std::string>(const Shelter&)>& body, int out) {
  // The numbers in /proc must be those of this pid namespace; the mount is seen in this mount namespace
  // alone.
  if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) ::_exit(1);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) {
    die_with_parent(parent);
    run_body(body, {true}, out);
  }
  if (child > 0) wait_for(child);
  ::_exit(child > 0 ? 0 : 1);
}

[[noreturn]] void run_keeper(const std::function<Result<std::string>(const Shelter&)>& body, int out) {
  // Private before anything is mounted: a shared mount would carry every later mount to the host.
  const bool own = ::geteuid() == 0 && ::unshare(CLONE_NEWNS) == 0 &&
                   ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                   ::unshare(CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC) == 0;
  if (!own) run_body(body, {false}, out);
  const pid_t parent = ::getpid();
  const pid_t first = ::fork();
  if (first == 0) {
    die_with_parent(parent);
    run_first(body, out);
  }
  if (first > 0) wait_for(first);
  ::_exit(first > 0 ? 0 : 1);
}

volatile sig_atomic_t caught_signal = 0;
volatile pid_t process_to_end = 0;

void on_signal(int signal) {
  caught_signal = signal;
  if (process_to_end > 0) ::kill(process_to_end, SIGKILL);
}

}  // namespace

Interruption::Interruption() {
  caught_signal = 0;
  process_to_end = 0;
  struct sigaction action{};
  action.sa_handler = on_signal;
  ::sigaction(SIGINT, &action, &interrupt_);
  ::sigaction(SIGTERM, &action, &terminate_);
}

Interruption::~Interruption() {
  restore();
}

int Interruption::caught() const {
  return caught_signal;
}

void Interruption::end_also(pid_t process) {
  process_to_end = process;
  if (process > 0 && caught_signal != 0) ::kill(process, SIGKILL);
}

void Interruption::restore() {
  ::sigaction(SIGINT, &interrupt_, nullptr);
  ::sigaction(SIGTERM, &terminate_, nullptr);
}

Result<std::string> in_shelter(Interruption& interruption,
                               const std::function<Result<std::string>(const Shelter&)>& body) {
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  const pid_t parent = ::getpid();
  const pid_t keeper = ::fork();
  if (keeper < 0) return system_error("probe", "cannot start a process", errno);
  if (keeper == 0) {
    interruption.restore();
    die_with_parent(parent);
    run_keeper(body, pipe->write.get());
  }
  pipe->write.reset();
  interruption.end_also(keeper);
  std::string data;
  char block[65536];
  for (;;) {
    const ssize_t got = ::read(pipe->read.get(), block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    data.append(block, static_cast<size_t>(got));
  }
  while (::waitpid(keeper, nullptr, 0) < 0 && errno == EINTR) {
  }
  interruption.end_also(0);
  if (interruption.caught() != 0)
    return Error{"probe", fmt::format("interrupted by signal {}", interruption.caught()), {}};
  return unpack(data);
}

}  // namespace sandstone::probe
