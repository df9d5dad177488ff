// libFuzzer: any bytes as a frame from the workload. What passes must be what the policy allows, read a
// second time and in the plainest way from the bytes that go on.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "net/addresses.h"
#include "net/guard.h"
#include "net/reply_frame.h"

using namespace sandstone::net;

namespace {

void must(bool condition) {
  if (!condition) std::abort();
}

// The one thing that is allowed: TCP and UDP to 93.184.215.14:80 and [2606::1]:80, and echo to neither.
Policy only_two_servers() {
  return *Policy::parse({"93.184.215.14:80", "[2606::1]:80"});
}

void must_be_allowed(const uint8_t* data, size_t size) {
  const unsigned type = static_cast<unsigned>(data[12] << 8 | data[13]);
  if (type == 0x0806) return;
  const uint8_t* ip = data + 14;
  const bool v6 = type == 0x86dd;
  must(v6 || type == 0x0800);
  const uint8_t protocol = v6 ? ip[6] : ip[9];
  const uint8_t* transport = ip + (v6 ? 40 : 20);
  const uint8_t server4[4] = {93, 184, 215, 14};
  const uint8_t server6[16] = {0x26, 0x06, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  const bool server = v6 ? std::memcmp(ip + 24, server6, 16) == 0 : std::memcmp(ip + 16, server4, 4) == 0;
  const bool gateway =
      v6 ? std::memcmp(ip + 24, kGateway6, 16) == 0 : std::memcmp(ip + 16, kGateway4, 4) == 0;
  const bool dns = v6 ? std::memcmp(ip + 24, kDns6, 16) == 0 : std::memcmp(ip + 16, kDns4, 4) == 0;
  must(v6 || ((ip[0] & 15) == 5 && (ip[6] & 0x3f) == 0 && ip[7] == 0));
  must(v6 ? std::memcmp(ip + 8, kGuest6, 16) == 0 : std::memcmp(ip + 12, kGuest4, 4) == 0);
  if (protocol == 58 && v6 && (transport[0] == 135 || transport[0] == 136)) return;
  if (protocol == 1 || protocol == 58) return must(gateway || (dns && !v6));
  must(static_cast<size_t>(transport - data) + 8 <= size);
  const unsigned port = static_cast<unsigned>(transport[2] << 8 | transport[3]);
  if (protocol == 6 && (transport[13] & 0x12) != 0x02) return;  // opens nothing
  must((protocol == 6 && dns && port == 53) || ((protocol == 6 || protocol == 17) && server && port == 80));
}

// TCP to the one server over IPv4 and a datagram to it over IPv6: where a fuzzer that starts from nothing
// would spend its time guessing addresses, it starts from a frame that passes and changes bits of it.
constexpr uint8_t kTcp4[] = {
    0x52, 0x55, 10, 0,  2, 2, 0x52, 0x54, 0,  10, 2, 15, 0x08, 0x00,                                //
    0x45, 0,    0,  40, 0, 1, 0x40, 0,    64, 6,  0, 0,  10,   0,    2,    15,   93, 184, 215, 14,  //
    0x12, 0x34, 0,  80, 0, 0, 0,    1,    0,  0,  0, 0,  0x50, 0x02, 0xff, 0xff, 0,  0,   0,   0};
constexpr uint8_t kUdp6[] = {
    0x52, 0x55, 10, 0,  2, 2,  0x52, 0x54, 0,   10,  2,   15, 0x86, 0xdd,           //
    0x60, 0,    0,  0,  0, 12, 17,   64,                                            //
    0xfd, 0,    0,  0,  0, 0,  0,    0,    0,   0,   0,   0,  0,    0,    0, 0x15,  //
    0x26, 0x06, 0,  0,  0, 0,  0,    0,    0,   0,   0,   0,  0,    0,    0, 1,     //
    0x12, 0x34, 0,  80, 0, 12, 0,    0,    'a', 'b', 'c', 'd'};

std::vector<uint8_t> changed(std::span<const uint8_t> frame, std::span<const uint8_t> bits) {
  std::vector<uint8_t> out(frame.begin(), frame.end());
  for (size_t i = 0; i < bits.size(); ++i) {
    if (i >= out.size()) out.push_back(0);
    out[i] ^= bits[i];
  }
  if (!bits.empty() && bits.size() < 6) out.resize(out.size() - bits[0] % out.size());  // a cut-off one
  return out;
}

void try_frame(std::span<const uint8_t> bytes) {
  static Policy policy = only_two_servers();
  Denials denials([](const NetDenial&) {});
  Guard guard(policy, denials);
  const Clock::time_point now{std::chrono::hours(1)};
  const auto parsed = parse_frame(bytes);
  if (const Frame* frame = std::get_if<Frame>(&parsed)) {
    must(frame->packet.empty() || frame->packet.data() + frame->packet.size() <= bytes.data() + bytes.size());
    const auto verdict = guard.outgoing(*frame, now);
    if (verdict == Guard::Verdict::pass) must_be_allowed(bytes.data(), bytes.size());
    if (verdict == Guard::Verdict::refuse) build_refusal(*frame);
    if (verdict == Guard::Verdict::dns) must(frame->destination_port == 53);
  }
  guard.incoming(bytes, now);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::span input(data + 1, size - 1);
  if (data[0] % 3 == 0) {
    try_frame(input);
  } else {
    try_frame(
        changed(data[0] % 3 == 1 ? std::span<const uint8_t>(kTcp4) : std::span<const uint8_t>(kUdp6), input));
  }
  return 0;
}
