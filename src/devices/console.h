// Console: a virtual console with one port (virtio 1.2, section 5.3): bytes out to a handler, bytes in from
// whoever has them.
#pragma once

#include <linux/virtio_console.h>

#include <array>
#include <atomic>
#include <functional>
#include <mutex>

#include "devices/byte_ring.h"
#include "devices/device.h"

namespace sandstone::devices {

class Console final : public Device {
 public:
  static constexpr uint16_t kQueueSize = 64;

  // Bytes from the guest, hostile and in private memory; returns how many it takes. If not all, the guest
  // waits until output_ready(). Called from the thread that serves the device; must not block.
  using Output = std::function<size_t(std::span<const std::byte>)>;
  // Writes to `fd`, which it does not own, only as much as fits at once. What cannot be written at all
  // (EPIPE, EIO) is lost, as with a terminal that was unplugged. A process that writes to pipes ignores
  // SIGPIPE.
  static Output to_fd(int fd);

  explicit Console(Output output);

  // Any thread. How many bytes of `bytes` are taken: fewer if the guest does not read.
  size_t input(std::span<const std::byte> bytes);
  void output_ready();  // the output may take more
  [[nodiscard]] bool output_waits() const {
    return waits_.load();
  }  // it took less than all: say when it is ready
  void resize(uint16_t columns, uint16_t rows);  // tells the guest

  [[nodiscard]] uint32_t id() const override;
  [[nodiscard]] uint64_t features() const override;
  [[nodiscard]] std::span<const uint16_t> queue_sizes() const override;
  void read_config(uint32_t offset, std::span<std::byte> out) const override;
  bool process(unsigned index, Virtqueue& queue) override;
  void reset() override;

 private:
  bool receive(Virtqueue& queue);
  bool send(Virtqueue& queue);
  bool drain_bytes();

  Output output_;
  std::atomic<uint32_t> size_{0};  // columns, and rows in the upper half
  std::atomic<bool> waits_{false};
  std::mutex input_mutex_;
  ByteRing input_;
  std::array<std::byte, 4096> bytes_{};  // from the guest, on their way out: [begin_, end_)
  size_t begin_ = 0;
  size_t end_ = 0;
  bool sending_ = false;  // chain_out_ is not done
  Chain chain_out_;
  Chain chain_in_;
};

}  // namespace sandstone::devices
