#include "probe/canary.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>

#include "probe/program/secret.h"

namespace sandstone::probe {
namespace {

constexpr int kPatienceMilliseconds = 10'000;
constexpr pid_t kSmallestPid = 2000;

Error lost() {
  return {"probe", "the canary on the host's side has ended", {}};
}

}  // namespace

Result<CanaryPlace> CanaryPlace::make() {
  CanaryPlace place;
  uint32_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number)
    return system_error("probe", "no random numbers", errno);
  place.nonce = fmt::format("{:08x}", number);
  // Not below the home: a root caller's sandbox, nobody on the host, must reach the shared folder in it.
  for (const char* folder : {"/var/tmp", "/tmp"}) {
    place.base = fmt::format("{}/sandstone-probe-{}", folder, place.nonce);
    if (::mkdir(place.base.c_str(), 0755) == 0 && ::chmod(place.base.c_str(), 0755) == 0) return place;
  }
  return system_error("probe", fmt::format("cannot make '{}'", place.base), errno,
                      "/var/tmp or /tmp must be writable");
}

void CanaryPlace::sweep() const {
  std::error_code ignored;
  std::filesystem::remove_all(base, ignored);
  const std::string name = "sandstone-probe-" + nonce;
  for (const char* folder : {"/tmp/", "/dev/shm/"}) std::filesystem::remove_all(folder + name, ignored);
  for (const char* operation : {"/", "/usr/", "/etc/"})
    for (const char* attempt : {"write-root", "write-usr", "write-etc", "remount-usr", "setattr-usr"})
      ::unlink(fmt::format("{}{}-{}", operation, name, attempt).c_str());
}

Result<Canary> Canary::start(const std::string& program, const CanaryPlace& place, bool own_namespaces) {
  auto orders = make_pipe();
  auto replies = make_pipe();
  if (!orders || !replies) return !orders ? orders.error() : replies.error();
  const std::string secret = "SANDSTONE_CANARY_SECRET=" + probe_program::make_secret();
  const char* argv[] = {program.c_str(),
                        "canary",
                        place.base.c_str(),
                        place.nonce.c_str(),
                        own_namespaces ? "sheltered" : nullptr,
                        nullptr};
  const char* environment[] = {secret.c_str(), nullptr};
  Canary canary;
  if (own_namespaces) (void)write_file("/proc/sys/kernel/ns_last_pid", std::to_string(kSmallestPid));
  // The workload's processes are numbered from 1: a small number would name one of them as well, and an
  // attempt on the canary would hit that.
  for (int tries = 0; tries < kSmallestPid; ++tries) {
    canary.pid_ = ::fork();
    if (canary.pid_ < 0) return system_error("probe", "cannot start a process", errno);
    if (canary.pid_ == 0) {
      if (::getpid() < kSmallestPid && tries + 1 < kSmallestPid) ::_exit(0);
      ::dup2(orders->read.get(), 0);
      ::dup2(replies->write.get(), 1);
      ::execve(program.c_str(), const_cast<char**>(argv), const_cast<char**>(environment));
      ::_exit(127);
    }
    if (canary.pid_ >= kSmallestPid || tries + 1 == kSmallestPid) break;
    while (::waitpid(canary.pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  canary.to_ = std::move(orders->write);
  canary.from_ = std::move(replies->read);
  replies->write.reset();
  auto ready = canary.answers();
  if (!ready) return ready.error();
  return canary;
}

Canary::Canary(Canary&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      to_(std::move(other.to_)),
      from_(std::move(other.from_)),
      buffer_(std::move(other.buffer_)),
      parameters_(std::move(other.parameters_)) {}

Canary::~Canary() {
  to_.reset();  // the end of its input is its cue
  if (pid_ > 0)
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

Result<void> Canary::order(const std::string& text) {
  if (::write(to_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return lost();
  return {};
}

Result<std::set<std::string>> Canary::answers() {
  std::set<std::string> seen;
  for (;;) {
    const size_t end = buffer_.find('\n');
    if (end == std::string::npos) {
      pollfd wait{from_.get(), POLLIN, 0};
      if (::poll(&wait, 1, kPatienceMilliseconds) == 0)
        return Error{"probe", "the canary on the host's side does not answer", {}};
      char block[4096];
      const ssize_t got = ::read(from_.get(), block, sizeof block);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return lost();
      buffer_.append(block, static_cast<size_t>(got));
      continue;
    }
    const std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 1);
    if (line == "ready") return seen;
    if (line.starts_with("seen ")) seen.insert(line.substr(5));
    if (line.starts_with("param ")) {
      const size_t blank = line.find(' ', 6);
      if (blank != std::string::npos) parameters_[line.substr(6, blank - 6)] = line.substr(blank + 1);
    }
  }
}

Result<void> Canary::reset() {
  if (auto sent = order("reset\n"); !sent) return sent;
  auto ready = answers();
  if (!ready) return ready.error();
  return {};
}

Result<std::set<std::string>> Canary::inspect() {
  if (auto sent = order("inspect\n"); !sent) return sent.error();
  return answers();
}

}  // namespace sandstone::probe
