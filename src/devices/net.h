// Net: a virtual network card (virtio 1.2, section 5.1): Ethernet frames to and from a handler, one queue
// each way, without offloads.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>

#include "devices/byte_ring.h"
#include "devices/device.h"

namespace sandstone::devices {

class Net final : public Device {
 public:
  static constexpr size_t kMinFrame = 14;     // an Ethernet header
  static constexpr size_t kMaxFrame = 65562;  // bytes, without virtio's own header
  static constexpr uint16_t kQueueSize = 256;
  using Mac = std::array<uint8_t, 6>;

  // A frame from the guest, in private memory, until the handler returns. Called from the thread that serves
  // the device, which waits for it; it may call deliver().
  using Handler = std::function<void(std::span<const std::byte>)>;

  Net(const Mac& mac, uint16_t mtu, Handler handler);

  // Takes a copy of a frame for the guest; any thread. False if it has no place: the guest does not keep up,
  // is not ready, or the frame's length is impossible. As on a wire, it is then lost.
  bool deliver(std::span<const std::byte> frame);

  // Frames that were lost: from the guest and impossible, or for it and too long for its buffers.
  [[nodiscard]] uint64_t dropped() const { return dropped_.load(); }

  [[nodiscard]] uint32_t id() const override;
  [[nodiscard]] uint64_t features() const override;
  [[nodiscard]] std::span<const uint16_t> queue_sizes() const override;
  void read_config(uint32_t offset, std::span<std::byte> out) const override;
  void start(uint64_t features) override;
  bool process(unsigned index, Virtqueue& queue) override;
  void reset() override;

 private:
  // 5.1.4, as far as our features make it exist. <linux/virtio_net.h> is no C++: it has a field named
  // `class`.
  struct Config {
    Mac mac{};
    uint16_t status = 1;  // the link is up
    uint16_t queue_pairs = 1;
    uint16_t mtu = 0;
  };

  bool send(Virtqueue& queue);
  bool receive(Virtqueue& queue);
  uint32_t next_frame();

  Handler handler_;
  Config config_;
  std::atomic<uint64_t> dropped_{0};
  std::mutex backlog_mutex_;
  ByteRing backlog_;          // frames for the guest, each after its length in 4 bytes
  uint32_t next_length_ = 0;  // of the first, if its length has been taken off already
  bool ready_ = false;
  std::unique_ptr<std::array<std::byte, kMaxFrame + 1>> frame_;  // the one being sent
  Chain chain_;
};

}  // namespace sandstone::devices
