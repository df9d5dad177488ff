#include "devices/net.h"

#include <linux/virtio_ids.h>

#include <algorithm>
#include <utility>

namespace sandstone::devices {
namespace {

constexpr unsigned kReceive = 0;  // of the two queues (5.1.2); the other sends
constexpr std::array<uint16_t, 2> kQueues{Net::kQueueSize, Net::kQueueSize};
constexpr unsigned kFramesAtOnce = 64;
constexpr size_t kBacklog = 1 << 20;  // bytes of frames that the guest has not taken yet

constexpr auto kDrop = [](std::span<const std::byte>) {};

// 5.1.6: before every frame, also without any offload.
struct Header {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t header_length;
  uint16_t gso_size;
  uint16_t checksum_start;
  uint16_t checksum_offset;
  uint16_t buffers;
};
static_assert(sizeof(Header) == 12);

constexpr uint64_t kFeatureMtu = 1 << 3;  // 5.1.3
constexpr uint64_t kFeatureMac = 1 << 5;
constexpr uint64_t kFeatureStatus = 1 << 16;

}  // namespace

Net::Net(const Mac& mac, uint16_t mtu, Handler handler)
    : handler_(std::move(handler)),
      backlog_(kBacklog),
      frame_(std::make_unique<std::array<std::byte, kMaxFrame + 1>>()) {
  config_.mac = mac;
  config_.mtu = mtu;
}

uint32_t Net::id() const {
  return VIRTIO_ID_NET;
}

uint64_t Net::features() const {
  return kFeatureMac | kFeatureMtu | kFeatureStatus;
}

std::span<const uint16_t> Net::queue_sizes() const {
  return kQueues;
}

void Net::read_config(uint32_t offset, std::span<std::byte> out) const {
  copy_config(std::as_bytes(std::span(&config_, 1)), offset, out);
}

void Net::start(uint64_t /*features*/) {
  const std::lock_guard lock(backlog_mutex_);
  ready_ = true;
}

void Net::reset() {
  const std::lock_guard lock(backlog_mutex_);
  ready_ = false;
  backlog_.clear();
  next_length_ = 0;
}

bool Net::deliver(std::span<const std::byte> frame) {
  if (frame.size() < kMinFrame || frame.size() > kMaxFrame) return false;
  {
    const std::lock_guard lock(backlog_mutex_);
    const auto length = static_cast<uint32_t>(frame.size());
    if (!ready_ || backlog_.room() < sizeof length + length) return false;
    backlog_.put(std::as_bytes(std::span(&length, 1)));
    backlog_.put(frame);
  }
  wake(kReceive);
  return true;
}

bool Net::process(unsigned index, Virtqueue& queue) {
  return index == kReceive ? receive(queue) : send(queue);
}

bool Net::send(Virtqueue& queue) {
  return drain(queue, chain_, kFramesAtOnce, [&](Chain& chain) -> uint32_t {
    Header header;
    const size_t got = chain.read(std::as_writable_bytes(std::span(&header, 1)));
    if (got < sizeof header) {
      queue.fail(QueueFault::Kind::bad_request, got, sizeof header);
      return 0;
    }
    // Into private memory first: whoever checks the frame must be the last who could see it change.
    const size_t length = chain.read(*frame_);
    const bool offload = header.flags != 0 || header.gso_type != 0;  // not negotiated
    if (offload || length < kMinFrame || length > kMaxFrame)
      ++dropped_;
    else
      handler_(std::span(*frame_).first(length));
    return 0;
  });
}

// The length of the oldest frame for the guest, or 0.
uint32_t Net::next_frame() {
  const std::lock_guard lock(backlog_mutex_);
  if (next_length_ == 0) {
    auto* out = reinterpret_cast<std::byte*>(&next_length_);
    backlog_.take(sizeof next_length_, [&](std::span<const std::byte> part) {
      std::memcpy(out, part.data(), part.size());
      out += part.size();
    });
  }
  return next_length_;
}

bool Net::receive(Virtqueue& queue) {
  queue.silence();  // buffers are news only to a device that lacks them
  for (unsigned i = 0; i < kFramesAtOnce; ++i) {
    if (next_frame() == 0) return false;
    if (queue.pop_or_listen(chain_) != Virtqueue::Pop::chain) return false;
    Header header{};
    header.buffers = 1;
    const std::lock_guard lock(backlog_mutex_);
    const uint32_t length = std::exchange(next_length_, 0);
    if (chain_.writable_bytes() < sizeof header + length) {
      queue.give_back();  // the buffer may do for the next one
      backlog_.take(length, kDrop);
      ++dropped_;
      continue;
    }
    chain_.write(std::as_bytes(std::span(&header, 1)));
    backlog_.take(length, [&](std::span<const std::byte> part) { chain_.write(part); });
    queue.push(chain_, static_cast<uint32_t>(sizeof header) + length);
  }
  return true;
}

}  // namespace sandstone::devices
