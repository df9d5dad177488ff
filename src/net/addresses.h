// The virtual network that every sandbox with Network::user finds itself in. QEMU's and slirp4netns' figures,
// which people know.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sandstone::net {

inline constexpr char kInterface[] = "eth0";

inline constexpr uint8_t kGuest4[4] = {10, 0, 2, 15};
inline constexpr uint8_t kGateway4[4] = {10, 0, 2, 2};  // the host's loopback, as far as the policy opens it
inline constexpr uint8_t kDns4[4] = {10, 0, 2, 3};
inline constexpr uint8_t kNetwork4[4] = {10, 0, 2, 0};
inline constexpr uint8_t kBroadcast4[4] = {10, 0, 2, 255};
inline constexpr unsigned kPrefix4 = 24;

inline constexpr uint8_t kGuest6[16] = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x15};
inline constexpr uint8_t kGateway6[16] = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02};
inline constexpr uint8_t kDns6[16] = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x03};
inline constexpr uint8_t kNetwork6[16] = {0xfd};
inline constexpr unsigned kPrefix6 = 64;

// Names for the gateway, and so for the host's loopback: ours, and the one that people know from docker.
inline constexpr char kHostName[] = "host.sandstone.internal";
inline constexpr char kHostAlias[] = "host.docker.internal";

// The largest that libslirp takes: one connection moves several times what it moves with 1500 bytes, since
// every frame costs a system call on each side. No packet of this size ever leaves the host: TCP ends in
// libslirp.
inline constexpr uint32_t kMtu = 65520;
inline constexpr size_t kEthernetHeader = 14;
inline constexpr size_t kMaxFrame = kMtu + kEthernetHeader;

// The sandbox's end, and the end that the network process holds: locally administered.
inline constexpr uint8_t kGuestMac[6] = {0x52, 0x54, 0x00, 0x0a, 0x02, 0x0f};
inline constexpr uint8_t kPeerMac[6] = {0x52, 0x54, 0x00, 0x0a, 0x02, 0x01};

}  // namespace sandstone::net
