#include "net/process/stack.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <slirp/libslirp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "net/addresses.h"
#include "net/reply_frame.h"

namespace sandstone::net {
namespace {

constexpr int kFramesPerTurn = 128;
constexpr int kLastTurns = 64;  // more than the link's queue holds

in_addr address4(const uint8_t* bytes) {
  in_addr out;
  std::memcpy(&out, bytes, sizeof out);
  return out;
}

in6_addr address6(const uint8_t* bytes) {
  in6_addr out;
  std::memcpy(&out, bytes, sizeof out);
  return out;
}

short to_poll(int events) {
  int out = 0;
  if (events & SLIRP_POLL_IN) out |= POLLIN;
  if (events & SLIRP_POLL_OUT) out |= POLLOUT;
  if (events & SLIRP_POLL_PRI) out |= POLLPRI;
  if (events & SLIRP_POLL_ERR) out |= POLLERR;
  if (events & SLIRP_POLL_HUP) out |= POLLHUP;
  return static_cast<short>(out);
}

int from_poll(short events) {
  int out = 0;
  if (events & POLLIN) out |= SLIRP_POLL_IN;
  if (events & POLLOUT) out |= SLIRP_POLL_OUT;
  if (events & POLLPRI) out |= SLIRP_POLL_PRI;
  if (events & POLLERR) out |= SLIRP_POLL_ERR;
  if (events & POLLHUP) out |= SLIRP_POLL_HUP;
  return out;
}

}  // namespace

struct StackCallbacks {
  static Stack& stack(void* opaque) { return *static_cast<Stack*>(opaque); }

  static ssize_t send_packet(const void* data, size_t size, void* opaque) {
    const std::span frame(static_cast<const uint8_t*>(data), size);
    if (stack(opaque).guard_.incoming(frame, Clock::now())) stack(opaque).output(frame);
    return static_cast<ssize_t>(size);
  }
  static void guest_error(const char*, void*) {}
  static int64_t clock_ns(void*) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
  }
  // The stack's one timer sends router advertisements. The workload's addresses are set by us, so it never
  // fires.
  static void* timer_new(SlirpTimerId, void*, void* opaque) { return opaque; }
  static void timer_free(void*, void*) {}
  static void timer_mod(void*, int64_t, void*) {}
  static void register_fd(int, void*) {}
  static void notify(void*) {}

  static constexpr SlirpCb make() {
    SlirpCb out{};
    out.send_packet = send_packet;
    out.guest_error = guest_error;
    out.clock_get_ns = clock_ns;
    out.timer_free = timer_free;
    out.timer_mod = timer_mod;
    out.register_poll_fd = register_fd;
    out.unregister_poll_fd = register_fd;
    out.notify = notify;
    out.timer_new_opaque = timer_new;
    return out;
  }
};

Stack::Stack(Guard& guard, DnsServer& dns) : guard_(guard), dns_(dns), buffer_(kMaxFrame + 1) {
  static constexpr SlirpCb kCallbacks = StackCallbacks::make();
  SlirpConfig config{};
  config.version = 4;
  config.in_enabled = true;
  config.vnetwork = address4(kNetwork4);
  config.vnetmask.s_addr = htonl(0xffffffffU << (32 - kPrefix4));
  config.vhost = address4(kGateway4);
  config.vdhcp_start = address4(kGuest4);
  config.vnameserver = address4(kDns4);
  config.in6_enabled = true;
  // The stack leads every address of this prefix to the host's ::1. It is to lead only the gateway's there.
  config.vprefix_addr6 = address6(kGateway6);
  config.vprefix_len = 128;
  config.vhost6 = address6(kGateway6);
  config.vnameserver6 = address6(kDns6);
  config.if_mtu = kMtu;
  config.if_mru = kMtu;
  config.disable_dns = true;  // its DNS would pass every query on
  config.disable_dhcp = true;
  config.enable_emu = false;
  slirp_ = slirp_new(&config, &kCallbacks, this);
}

Stack::~Stack() {
  slirp_cleanup(slirp_);
}

Result<void> Stack::forward(const PortForward& forward) {
  const auto fail = [&](std::string what, std::string remedy) {
    return Error{
        "-p",
        fmt::format("{}:{}{}: {}", forward.host_address, forward.host_port, forward.udp ? "/udp" : "", what),
        std::move(remedy)};
  };
  const auto address = Address::parse(forward.host_address);
  if (!address || address->v6) return fail("is not an IPv4 address", "for example 127.0.0.1");
  errno = 0;
  if (slirp_add_hostfwd(slirp_, forward.udp, address4(address->bytes.data()), forward.host_port,
                        address4(kGuest4), forward.sandbox_port) != 0) {
    const int err = errno;
    const char* remedy = err == EADDRINUSE      ? "another program listens there: choose another port"
                         : err == EADDRNOTAVAIL ? "no interface of this machine has that address"
                         : err == EACCES        ? "ports below 1024 are root's: choose a higher one"
                                                : "";
    return fail(std::strerror(err), remedy);
  }
  if (forward.udp) guard_.forward_udp(forward.sandbox_port);
  return {};
}

void Stack::attach(Fd frames) {
  frames_ = std::move(frames);
  input(build_arp_announcement());
  input(build_neighbour_announcement());
}

void Stack::prepare(PollSet& set) {
  if (!frames_.valid())
    return;  // clients of forwarded ports wait in the kernel's queue until there is somebody to ask
  frames_index_ = set.add(frames_.get(), POLLIN);
  uint32_t timeout = std::numeric_limits<uint32_t>::max();
  slirp_pollfds_fill(
      slirp_, &timeout,
      [](int fd, int events, void* opaque) {
        return static_cast<PollSet*>(opaque)->add(fd, to_poll(events));
      },
      &set);
  if (timeout != std::numeric_limits<uint32_t>::max()) set.wake_after(timeout);
}

void Stack::turn(PollSet& set, bool poll_failed) {
  if (frames_index_ < 0) return;
  slirp_pollfds_poll(
      slirp_, poll_failed ? 1 : 0,
      [](int index, void* opaque) { return from_poll(static_cast<PollSet*>(opaque)->ready(index)); }, &set);
  if (set.ready(std::exchange(frames_index_, -1)) != 0) read_frames();
}

void Stack::drain() {
  for (int turns = 0; turns < kLastTurns && frames_.valid() && read_frames(); ++turns) {
  }
}

bool Stack::read_frames() {
  for (int i = 0; i < kFramesPerTurn; ++i) {
    const ssize_t got = ::read(frames_.get(), buffer_.data(), buffer_.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return false;
    if (got <= 0) {
      // A packet socket reports once that its interface went down, and works again when it comes up.
      if (got < 0 && errno == ENETDOWN) return false;
      frames_.reset();
      return false;
    }
    input(std::span(buffer_).first(static_cast<size_t>(got)));
  }
  return true;
}

void Stack::input(std::span<const uint8_t> bytes) {
  const Clock::time_point now = Clock::now();
  const auto parsed = parse_frame(bytes);
  if (const FrameFault* fault = std::get_if<FrameFault>(&parsed)) {
    guard_.fault(*fault, now);
    return;
  }
  const Frame& frame = std::get<Frame>(parsed);
  switch (guard_.outgoing(frame, now)) {
    case Guard::Verdict::pass: {
      // Nothing behind the IP packet's end goes on: it was not looked at.
      const size_t size = frame.packet.empty() ? bytes.size() : kEthernetHeader + frame.packet.size();
      slirp_input(slirp_, bytes.data(), static_cast<int>(size));
      return;
    }
    case Guard::Verdict::dns:
      answer_dns(frame);
      return;
    case Guard::Verdict::refuse:
      output(build_refusal(frame));
      return;
    case Guard::Verdict::drop:
      return;
  }
}

void Stack::answer_dns(const Frame& frame) {
  std::vector<uint8_t> mac(frame.source_mac.begin(), frame.source_mac.end());
  dns_.handle(
      frame.payload, Transport::udp, Clock::now(),
      [this, mac = std::move(mac), to = frame.source, to_port = frame.source_port, from = frame.destination,
       from_port = frame.destination_port](const std::vector<uint8_t>& reply) {
        output(build_datagram_reply(from, from_port, to, to_port, mac, reply));
      });
}

void Stack::output(std::span<const uint8_t> frame) {
  // A link that is full or gone loses frames, as links do: TCP sends again.
  if (frames_.valid() && ::write(frames_.get(), frame.data(), frame.size()) < 0) return;
}

}  // namespace sandstone::net
