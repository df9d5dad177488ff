// Block: a virtual disk (virtio 1.2, section 5.2) over a Store.
#pragma once

#include <linux/virtio_blk.h>

#include <array>
#include <memory>
#include <string>

#include "devices/device.h"
#include "devices/store.h"

namespace sandstone::devices {

class Block final : public Device {
 public:
  static constexpr uint32_t kSector = 512;
  static constexpr uint16_t kQueueSize = 256;

  // `serial` is what the guest finds under /sys/block/vdX/serial: at most 20 bytes count.
  explicit Block(std::unique_ptr<Store> store, std::string serial = "sandstone");

  [[nodiscard]] uint32_t id() const override;
  [[nodiscard]] uint64_t features() const override;
  [[nodiscard]] std::span<const uint16_t> queue_sizes() const override;
  void read_config(uint32_t offset, std::span<std::byte> out) const override;
  void start(uint64_t features) override;
  bool process(unsigned index, Virtqueue& queue) override;

 private:
  uint32_t serve(Chain& chain, Virtqueue& queue);
  uint8_t carry_out(uint32_t type, uint64_t sector, Chain& chain, uint32_t& written);
  uint8_t read(uint64_t sector, Chain& chain, uint32_t& written);
  uint8_t write(uint64_t sector, Chain& chain);
  uint8_t unmap(uint32_t type, Chain& chain);
  [[nodiscard]] bool inside(uint64_t sector, uint64_t bytes) const;

  std::unique_ptr<Store> store_;
  uint64_t sectors_;
  std::string serial_;
  virtio_blk_config config_{};
  bool write_through_ = false;  // the driver cannot flush, so every write does
  uint64_t moved_ = 0;          // bytes, in this process()
  Chain chain_;
};

}  // namespace sandstone::devices
