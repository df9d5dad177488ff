#include "net/user_network.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <vector>

#include "base/program.h"
#include "net/addresses.h"
#include "net/policy.h"
#include "net/wire.h"

namespace sandstone::net {
namespace {

constexpr char kProgram[] = "sandstone-net";
constexpr size_t kMaxRules = 1000;
constexpr int kControl = 3;  // in the network process

// Owns the two attribute objects of posix_spawn(3).
class SpawnPlan {
 public:
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  int spawn(const std::string& path, int control, pid_t* pid) {
    ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDWR, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, 0, 1);
#if !defined(__SANITIZE_ADDRESS__)
    ::posix_spawn_file_actions_adddup2(&actions_, 0,
                                       2);  // what the stack logs is for nobody, and in a hostile hand
#endif
    ::posix_spawn_file_actions_adddup2(&actions_, control, kControl);
    sigset_t all;
    sigset_t none;
    ::sigfillset(&all);
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    // A session of its own: a terminal's ^C must not take the network away before the workload.
    ::posix_spawnattr_setflags(&attributes_,
                               POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    char name[] = "sandstone-net";
    char* const arguments[] = {name, nullptr};
    char* const environment[] = {nullptr};  // SLIRP_DEBUG, LD_PRELOAD, LOCALDOMAIN: nothing of the caller's
    return ::posix_spawn(pid, path.c_str(), &actions_, &attributes_, arguments, environment);
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

Error died() {
  return Error{"network", "the network process ended",
               "look at the system's log for a crash of sandstone-net"};
}

// One message, waiting `timeout`. Nothing: none came in time.
Result<std::optional<std::string>> read_message(int control, std::chrono::milliseconds timeout) {
  pollfd wait{control, POLLIN, 0};
  int ready;
  do {
    ready = ::poll(&wait, 1, static_cast<int>(timeout.count()));
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) return std::optional<std::string>();
  std::string text(kMaxMessage, '\0');
  const ssize_t got = ::recv(control, text.data(), text.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::optional<std::string>();
  if (got <= 0) return died();
  text.resize(static_cast<size_t>(got));
  return std::optional<std::string>(std::move(text));
}

Denial to_denial(NetDenial denial) {
  Denial out;
  out.wall = "network";
  out.operation = std::move(denial.operation);
  out.subject = std::move(denial.subject);
  out.count = denial.count;
  return out;
}

bool send_message(int control, const std::string& text, int descriptor) {
  alignas(cmsghdr) char ancillary[CMSG_SPACE(sizeof(int))] = {};
  iovec part{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = ancillary;
    message.msg_controllen = sizeof ancillary;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  }
  ssize_t put;
  do {
    put = ::sendmsg(control, &message, MSG_NOSIGNAL);
  } while (put < 0 && errno == EINTR);
  return put == static_cast<ssize_t>(text.size());
}

}  // namespace

Result<void> check(const RunSpec& spec) {
  if (spec.allow.size() > kMaxRules)
    return Error{"--allow", fmt::format("more than {} rules", kMaxRules), {}};
  auto policy = Policy::parse(spec.allow);
  if (!policy) return policy.error();
  if (policy->loopback_ports().size() > LinkPlan::kMaxLoopbackRanges)
    return Error{"--allow",
                 fmt::format("more than {} ranges of ports on 127.0.0.1", LinkPlan::kMaxLoopbackRanges),
                 "use wider ranges"};
  if (spec.forwards.size() > kMaxRules) return Error{"-p", fmt::format("more than {} ports", kMaxRules), {}};
  for (const PortForward& forward : spec.forwards) {
    const auto address = Address::parse(forward.host_address);
    if (!address || address->v6)
      return Error{"-p", fmt::format("'{}' is not an IPv4 address", forward.host_address),
                   "for example 127.0.0.1"};
    if (forward.host_port == 0 || forward.sandbox_port == 0)
      return Error{"-p", "port 0 is no port", "1 to 65535 on both sides"};
  }
  return {};
}

LinkPlan link_plan(const RunSpec& spec) {
  LinkPlan plan;
  auto policy = Policy::parse(spec.allow);
  if (!policy) return plan;
  for (const PortRange& range : policy->loopback_ports())
    if (plan.loopback_ranges < LinkPlan::kMaxLoopbackRanges) plan.loopback[plan.loopback_ranges++] = range;
  return plan;
}

Result<UserNetwork> UserNetwork::start(const RunSpec& spec) {
  if (auto checked = check(spec); !checked) return checked.error();
  const std::string policy = encode(PolicyMessage{spec.allow, spec.forwards});
  if (policy.size() > kMaxMessage) return Error{"--allow", "the rules are too long", "use fewer"};
  auto program = find_program(kProgram, SANDSTONE_LIBEXEC, "--network");
  if (!program) return program.error();
  auto ends = make_socket_pair(SOCK_SEQPACKET);
  if (!ends) return ends.error();
  // dup2 onto itself would leave close-on-exec set: the process would have no control socket.
  Fd theirs = std::move(ends->second);
  if (theirs.get() <= kControl) {
    theirs = Fd(::fcntl(theirs.get(), F_DUPFD_CLOEXEC, kControl + 1));
    if (!theirs.valid()) return system_error("network", "cannot duplicate a descriptor", errno);
  }
  pid_t pid = -1;
  if (const int err = SpawnPlan().spawn(*program, theirs.get(), &pid); err != 0)
    return system_error("network", fmt::format("cannot start {}", *program), err);
  UserNetwork network(pid, std::move(ends->first));
  if (!send_message(network.control_.get(), policy, -1)) return died();
  return network;
}

Result<void> UserNetwork::attach(Fd frames) {
  constexpr std::chrono::milliseconds kPatience{20'000};  // a machine under load; a failure is told at once
  auto message = read_message(control_.get(), kPatience);
  if (!message) return message.error();
  if (!*message)
    return Error{"network", "the network process does not answer", "try again on a machine with less load"};
  auto event = decode_event(**message);
  if (!event) return event.error();
  if (const Error* error = std::get_if<Error>(&*event)) return *error;
  if (!std::holds_alternative<Ready>(*event)) return Error{"network", "malformed message", {}};
  if (!send_message(control_.get(), "{}", frames.get())) return died();
  return {};
}

Result<std::optional<Denial>> UserNetwork::next() {
  for (;;) {
    if (!control_.valid()) return std::optional<Denial>();
    auto message = read_message(control_.get(), std::chrono::milliseconds(0));
    if (!message) {
      control_.reset();  // told once; event_fd() has nothing to wait for any more
      return message.error();
    }
    if (!*message) return std::optional<Denial>();
    auto event = decode_event(**message);
    if (!event) return event.error();
    if (NetDenial* denial = std::get_if<NetDenial>(&*event))
      return std::optional(to_denial(std::move(*denial)));
    if (const Error* error = std::get_if<Error>(&*event)) return *error;
  }
}

std::vector<Denial> UserNetwork::finish() {
  std::vector<Denial> rest;
  ::shutdown(control_.get(), SHUT_WR);
  constexpr std::chrono::milliseconds kPatience{2000};
  for (;;) {
    auto message = read_message(control_.get(), kPatience);
    if (!message || !*message) break;  // the end of file, or it hangs: the kill below ends it
    auto event = decode_event(**message);
    if (!event) break;
    if (NetDenial* denial = std::get_if<NetDenial>(&*event)) rest.push_back(to_denial(std::move(*denial)));
  }
  end();
  return rest;
}

void UserNetwork::end() {
  control_.reset();
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

UserNetwork::UserNetwork(UserNetwork&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), control_(std::move(other.control_)) {}

UserNetwork& UserNetwork::operator=(UserNetwork&& other) noexcept {
  if (this != &other) {
    end();
    pid_ = std::exchange(other.pid_, -1);
    control_ = std::move(other.control_);
  }
  return *this;
}

UserNetwork::~UserNetwork() {
  end();
}

std::string resolv_conf() {
  return fmt::format("nameserver {}\n", Address::from4(kDns4).text());
}

std::string hosts(std::string_view hostname) {
  return fmt::format(
      "127.0.0.1 localhost\n"
      "::1 localhost ip6-localhost ip6-loopback\n"
      "{} {}\n"
      "{} {} {}\n",
      Address::from4(kGuest4).text(), hostname, Address::from4(kGateway4).text(), kHostName, kHostAlias);
}

}  // namespace sandstone::net
