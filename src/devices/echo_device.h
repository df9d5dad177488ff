// EchoDevice: the plainest device, for tests: gives back what it is sent, request by request.
#pragma once

#include <array>
#include <functional>
#include <vector>

#include "devices/device.h"

namespace sandstone::devices {

class EchoDevice final : public Device {
 public:
  explicit EchoDevice(std::vector<uint16_t> sizes = {256}) : sizes_(std::move(sizes)) {}

  [[nodiscard]] uint32_t id() const override { return 42; }
  [[nodiscard]] uint64_t features() const override { return 5; }
  [[nodiscard]] std::span<const uint16_t> queue_sizes() const override { return sizes_; }
  void read_config(uint32_t offset, std::span<std::byte> out) const override {
    copy_config(std::as_bytes(std::span(config)), offset, out);
  }
  void write_config(uint32_t offset, std::span<const std::byte> data) override {
    for (size_t i = 0; i < data.size() && offset + i < config.size(); ++i)
      config[offset + i] = static_cast<char>(data[i]);
  }
  void start(uint64_t features) override { started_with = features; }
  bool process(unsigned /*index*/, Virtqueue& queue) override {
    return drain(queue, chain_, budget, [&](Chain& chain) {
      ++served;
      if (on_request) on_request();
      std::array<std::byte, 4096> bytes;
      size_t written = 0;
      while (const size_t got = chain.read(bytes)) written += chain.write(std::span(bytes).first(got));
      return static_cast<uint32_t>(written);
    });
  }
  void reset() override { ++resets; }
  using Device::configuration_changed;
  using Device::wake;

  std::array<char, 6> config{'h', 'e', 'l', 'l', 'o', '!'};
  std::function<void()> on_request;  // while it is served
  unsigned budget = 64;
  unsigned served = 0;
  unsigned resets = 0;
  uint64_t started_with = 0;

 private:
  std::vector<uint16_t> sizes_;
  Chain chain_;
};

}  // namespace sandstone::devices
