// Guard: applies the policy to what passes: frames from the workload, frames to it, and the socket addresses
// that the network stack makes of them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "net/denials.h"
#include "net/frame.h"
#include "net/policy.h"

namespace sandstone::net {

// The real address behind one that the workload sees: the gateway is the host's loopback, the two DNS
// addresses and the rest of the virtual network are no real ones, and all others are themselves.
std::optional<Address> real_address(const Address& seen);
bool is_dns_address(const Address& seen);

class Guard {
 public:
  Guard(Policy& policy, Denials& denials) : policy_(policy), denials_(denials) {}

  enum class Verdict : uint8_t {
    pass,    // to the network stack
    dns,     // a datagram for our DNS server
    refuse,  // answer with build_refusal()
    drop,
  };

  // A frame from the workload.
  Verdict outgoing(const Frame& frame, Clock::time_point now);
  void fault(const FrameFault& fault, Clock::time_point now);

  // A frame from the network stack. The stack delivers datagrams from anybody to a port that the workload has
  // once sent from: only those that answer the workload, or come to a forwarded port, may pass.
  bool incoming(std::span<const uint8_t> bytes, Clock::time_point now);

  // The same question for a socket address, which has been translated. Asked last, right before the kernel.
  [[nodiscard]] bool socket_may_reach(const Address& address, uint16_t port, Transport transport,
                                      Clock::time_point now);

  void forward_udp(uint16_t sandbox_port) { forwarded_udp_.push_back(sandbox_port); }

 private:
  using Peer = std::pair<Address, uint16_t>;
  static constexpr size_t kMaxFlows = 4096;
  static constexpr std::chrono::seconds kFlowIdle{120};

  // Datagrams have no connection, so a flow that was allowed stays so while it is used, though a pin has
  // ended.
  bool flow_known(const Peer& peer, Clock::time_point now);
  void remember_flow(const Peer& peer, Clock::time_point now);
  bool to_own_services(const Frame& frame) const;
  Verdict deny(const char* operation, const Address& seen, uint16_t port, Transport transport,
               Clock::time_point now);

  Policy& policy_;
  Denials& denials_;
  std::vector<uint16_t> forwarded_udp_;
  std::map<Peer, Clock::time_point> flows_;
};

}  // namespace sandstone::net
