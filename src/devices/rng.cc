#include "devices/rng.h"

#include <linux/virtio_ids.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace sandstone::devices {
namespace {

constexpr std::array<uint16_t, 1> kQueues{64};
constexpr unsigned kRequestsAtOnce = 16;

// Fills the front of the chain's writable side; how many bytes.
uint32_t fill(const Chain& chain) {
  size_t left = Rng::kMaxBytes;
  for (const iovec& piece : chain.writable()) {
    size_t done = 0;
    const size_t wanted = std::min(piece.iov_len, left);
    while (done < wanted) {
      const ssize_t got = ::getrandom(static_cast<std::byte*>(piece.iov_base) + done, wanted - done, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;  // no randomness is better than what the guest takes for it
      done += static_cast<size_t>(got);
    }
    left -= done;
    if (done < piece.iov_len) break;
  }
  return static_cast<uint32_t>(Rng::kMaxBytes - left);
}

}  // namespace

uint32_t Rng::id() const {
  return VIRTIO_ID_RNG;
}
std::span<const uint16_t> Rng::queue_sizes() const {
  return kQueues;
}

bool Rng::process(unsigned /*index*/, Virtqueue& queue) {
  return drain(queue, chain_, kRequestsAtOnce, [](Chain& chain) { return fill(chain); });
}

}  // namespace sandstone::devices
