// Device: what one kind of virtio device does; the transport does what all have in common.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "devices/virtqueue.h"

namespace sandstone::devices {

class Device {
 public:
  // The transport, as its device sees it. Both may be called from any thread.
  class Host {
   public:
    virtual void wake(unsigned queue) = 0;  // there is something to do on `queue`
    virtual void configuration_changed() = 0;

   protected:
    ~Host() = default;
  };

  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  [[nodiscard]] virtual uint32_t id() const = 0;        // virtio 1.2, section 5
  [[nodiscard]] virtual uint64_t features() const = 0;  // the device's own; the transport adds those of rings
  [[nodiscard]] virtual std::span<const uint16_t> queue_sizes() const = 0;  // the greatest size of each queue

  // The configuration space. Any thread, also while process() runs. What lies outside it reads as zero.
  virtual void read_config(uint32_t offset, std::span<std::byte> out) const { copy_config({}, offset, out); }
  virtual void write_config(uint32_t /*offset*/, std::span<const std::byte> /*data*/) {}

  // The driver is ready and has accepted `features`.
  virtual void start(uint64_t /*features*/) {}
  // Serves what waits in `queue`, but only a bounded amount of it; true if more may wait. Never at the same
  // time as itself, start() or reset(). A request that only a malicious driver makes: queue.fail().
  virtual bool process(unsigned index, Virtqueue& queue) = 0;
  // The driver starts over: forget its buffers and what is pending.
  virtual void reset() {}

  void attach(Host* host) { host_.store(host); }

 protected:
  void wake(unsigned queue) const {
    if (Host* host = host_.load()) host->wake(queue);
  }
  void configuration_changed() const {
    if (Host* host = host_.load()) host->configuration_changed();
  }
  static void copy_config(std::span<const std::byte> config, uint32_t offset, std::span<std::byte> out) {
    std::fill(out.begin(), out.end(), std::byte{0});
    if (offset >= config.size()) return;
    std::memcpy(out.data(), config.data() + offset, std::min(out.size(), config.size() - offset));
  }

 private:
  std::atomic<Host*> host_{nullptr};
};

}  // namespace sandstone::devices
