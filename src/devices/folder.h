// Folder: a host folder as a virtio-fs device (virtio 1.2, section 5.11), over the FUSE server of devices/fs.
#pragma once

#include <sandstone/result.h>

#include <memory>
#include <optional>
#include <string>

#include "devices/device.h"
#include "devices/fs/fuse_server.h"

namespace sandstone::devices {

struct FolderOptions {
  std::string path;
  std::string tag;  // by which the guest mounts it; at most 36 bytes
  bool read_only = true;
  std::optional<fs::Squash> squash;  // whoever owns a file on the host, in the guest it is this one's
  bool direct_io = true;
  fs::CachePolicy cache = fs::CachePolicy::automatic;
};

class Folder final : public Device {
 public:
  static Result<std::unique_ptr<Folder>> open(const FolderOptions& options);

  [[nodiscard]] uint32_t id() const override;
  [[nodiscard]] uint64_t features() const override { return 0; }
  [[nodiscard]] std::span<const uint16_t> queue_sizes() const override;
  void read_config(uint32_t offset, std::span<std::byte> out) const override;
  bool process(unsigned index, Virtqueue& queue) override;
  void reset() override;

 private:
  Folder(std::unique_ptr<fs::FuseServer> server, const std::string& tag);

  struct Config {
    std::array<char, 36> tag{};
    uint32_t request_queues = 1;
  };
  std::unique_ptr<fs::FuseServer> server_;
  Config config_;
  Chain chain_;
};

}  // namespace sandstone::devices
