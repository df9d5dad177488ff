#include "net/guard.h"

#include <fmt/format.h>

#include <algorithm>

#include "net/addresses.h"

namespace sandstone::net {
namespace {

const Address kGateways[] = {Address::from4(kGateway4), Address::from6(kGateway6)};
const Address kServers[] = {Address::from4(kDns4), Address::from6(kDns6)};
const Address kLoopbacks[] = {*Address::parse("127.0.0.1"), *Address::parse("::1")};
const Prefix kNetworks[] = {{Address::from4(kNetwork4), kPrefix4}, {Address::from6(kNetwork6), kPrefix6}};

constexpr uint16_t kDnsPort = 53;

Transport transport_of(const Frame& frame) {
  return frame.kind == Frame::Kind::tcp   ? Transport::tcp
         : frame.kind == Frame::Kind::udp ? Transport::udp
                                          : Transport::icmp;
}

}  // namespace

std::optional<Address> real_address(const Address& seen) {
  if (seen == kGateways[seen.v6]) return kLoopbacks[seen.v6];
  if (kNetworks[seen.v6].contains(seen)) return std::nullopt;
  return seen;
}

bool is_dns_address(const Address& seen) {
  return seen == kServers[seen.v6];
}

// The stack has servers of its own on the gateway's address (BOOTP, TFTP, DHCPv6) that no option turns off
// for good. Sandboxes have no use for them, and they have had holes.
bool Guard::to_own_services(const Frame& frame) const {
  constexpr uint16_t kPorts[] = {67, 69, 547};
  return frame.kind == Frame::Kind::udp && kNetworks[frame.destination.v6].contains(frame.destination) &&
         std::find(std::begin(kPorts), std::end(kPorts), frame.destination_port) != std::end(kPorts);
}

Guard::Verdict Guard::deny(const char* operation, const Address& seen, uint16_t port, Transport transport,
                           Clock::time_point now) {
  const auto real = real_address(seen);
  const Address& told = real ? *real : seen;
  denials_.add(operation,
               transport == Transport::icmp
                   ? fmt::format("{}/icmp", told.text())
                   : fmt::format("{}/{}", told.with_port(port), to_string(transport)),
               now);
  return Verdict::refuse;
}

void Guard::fault(const FrameFault& fault, Clock::time_point now) {
  if (fault.worth_telling) denials_.add("send", fault.reason, now);
}

Guard::Verdict Guard::outgoing(const Frame& frame, Clock::time_point now) {
  if (const char* reason = spoofed(frame)) {
    // A kernel that has just been given its address asks whether anybody else has it, from no address.
    const bool asking = frame.kind == Frame::Kind::arp || frame.kind == Frame::Kind::neighbour;
    fault({reason, !asking}, now);
    return Verdict::drop;
  }
  if (frame.kind == Frame::Kind::arp || frame.kind == Frame::Kind::neighbour) return Verdict::pass;
  if (to_own_services(frame))
    return deny("connect", frame.destination, frame.destination_port, Transport::udp, now);
  const Transport transport = transport_of(frame);
  if (is_dns_address(frame.destination)) {
    if (transport == Transport::icmp) return frame.source.v6 ? Verdict::refuse : Verdict::pass;
    if (frame.destination_port != kDnsPort)
      return deny("connect", frame.destination, frame.destination_port, transport, now);
    return transport == Transport::udp ? Verdict::dns : Verdict::pass;
  }
  if (transport == Transport::icmp && frame.destination == kGateways[frame.destination.v6])
    return Verdict::pass;
  const auto real = real_address(frame.destination);
  if (!real) return deny("connect", frame.destination, frame.destination_port, transport, now);
  // The stack has no external echo on IPv6.
  if (transport == Transport::icmp && real->v6) return Verdict::refuse;
  // Only this segment makes the stack connect; any other either belongs to a connection that was allowed
  // (perhaps by a pin that has ended since) or is answered with a reset.
  if (frame.kind == Frame::Kind::tcp && !frame.opens_connection) return Verdict::pass;
  const Peer peer{*real, frame.destination_port};
  if (transport == Transport::udp && flow_known(peer, now)) return Verdict::pass;
  if (!policy_.allowed(*real, frame.destination_port, transport, now))
    return deny("connect", frame.destination, frame.destination_port, transport, now);
  if (transport == Transport::udp) remember_flow(peer, now);
  return Verdict::pass;
}

bool Guard::incoming(std::span<const uint8_t> bytes, Clock::time_point now) {
  const auto parsed = parse_frame(bytes);
  const Frame* frame = std::get_if<Frame>(&parsed);
  if (frame == nullptr || frame->kind != Frame::Kind::udp) return true;
  const auto real = real_address(frame->source);
  if (!real) return false;
  const Peer peer{*real, frame->source_port};
  const bool forwarded = std::find(forwarded_udp_.begin(), forwarded_udp_.end(), frame->destination_port) !=
                         forwarded_udp_.end();
  if (forwarded) remember_flow(peer, now);  // so that the workload's answer may pass
  return forwarded || flow_known(peer, now);
}

bool Guard::socket_may_reach(const Address& address, uint16_t port, Transport transport,
                             Clock::time_point now) {
  if (transport == Transport::udp && flow_known({address, port}, now)) return true;
  if (policy_.allowed(address, port, transport, now)) return true;
  denials_.add("connect", fmt::format("{}/{}", address.with_port(port), to_string(transport)), now);
  return false;
}

bool Guard::flow_known(const Peer& peer, Clock::time_point now) {
  const auto flow = flows_.find(peer);
  if (flow == flows_.end() || now - flow->second > kFlowIdle) return false;
  flow->second = now;
  return true;
}

void Guard::remember_flow(const Peer& peer, Clock::time_point now) {
  if (flows_.size() >= kMaxFlows)
    std::erase_if(flows_, [&](const auto& entry) { return now - entry.second > kFlowIdle; });
  if (flows_.size() >= kMaxFlows)
    flows_.erase(std::min_element(flows_.begin(), flows_.end(),
                                  [](const auto& a, const auto& b) { return a.second < b.second; }));
  flows_[peer] = now;
}

}  // namespace sandstone::net
