// The messages between the supervisor and the network process: JSON, one object a packet on a SOCK_SEQPACKET.
//
//   to it    {"allow":[...],"forwards":[{"address","port","to","udp"}]}, then an empty object with the frames
//   descriptor from it  {"ready":true} or {"error":{"where","what","remedy"}}, then
//   {"denial":{"operation","subject","count"}}...
#pragma once

#include <sandstone/result.h>
#include <sandstone/run_spec.h>

#include <string>
#include <variant>
#include <vector>

#include "net/denials.h"

namespace sandstone::net {

inline constexpr size_t kMaxMessage = 128 << 10;

struct PolicyMessage {
  std::vector<std::string> allow;
  std::vector<PortForward> forwards;
};

struct Ready {};

std::string encode(const PolicyMessage& message);
std::string encode(const Ready& message);
std::string encode(const Error& message);
std::string encode(const NetDenial& message);

Result<PolicyMessage> decode_policy(const std::string& text);
// What the network process says is untrusted: it holds the code that the workload attacks.
Result<std::variant<Ready, Error, NetDenial>> decode_event(const std::string& text);

}  // namespace sandstone::net
