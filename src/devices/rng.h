// Rng: a source of randomness (virtio 1.2, section 5.4): the host's getrandom(2).
#pragma once

#include "devices/device.h"

namespace sandstone::devices {

class Rng final : public Device {
 public:
  static constexpr size_t kMaxBytes = 64 << 10;  // of one request: a guest that wants more asks again

  [[nodiscard]] uint32_t id() const override;
  [[nodiscard]] uint64_t features() const override { return 0; }
  [[nodiscard]] std::span<const uint16_t> queue_sizes() const override;
  bool process(unsigned index, Virtqueue& queue) override;

 private:
  Chain chain_;
};

}  // namespace sandstone::devices
