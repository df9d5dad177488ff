// DiskModel: a disk and its driver, for tests: one request at a time, served at once.
#pragma once

#include <linux/virtio_blk.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "devices/block.h"
#include "devices/driver_model.h"

namespace sandstone::devices {

class DiskModel {
 public:
  using Bytes = std::vector<std::byte>;

  // `piece` is how long the buffers of a request are at most: pages of a page cache are not in a row.
  explicit DiskModel(std::unique_ptr<Store> store, uint64_t features = ~uint64_t{0}, uint32_t piece = 4096)
      : disk(std::move(store), "serial"),
        transport(memory.guest(), disk, {}),
        driver(memory, transport),
        piece_(piece) {
    agreed = driver.negotiate(features).value_or(0);
    queue = &driver.add_queue(0, 256);
    driver.start();
    base_ = driver.top();
  }

  // The status byte, or 0xee if nothing came back. `out` is written to the disk, or `in` read from it.
  uint8_t request(uint32_t type, uint64_t sector, const Bytes& out, Bytes* in = nullptr) {
    driver.free_down_to(base_);
    std::vector<DriverModel::Buffer> buffers;
    const uint64_t header = driver.allocate(16, 16);
    const virtio_blk_outhdr words{type, 0, sector};
    std::memcpy(memory.at(header), &words, sizeof words);
    buffers.push_back({header, sizeof words, false});
    const size_t length = in != nullptr ? in->size() : out.size();
    std::vector<uint64_t> addresses;
    for (size_t done = 0; done < length; done += piece_) {
      const auto part = static_cast<uint32_t>(std::min<size_t>(piece_, length - done));
      addresses.push_back(driver.allocate(part, 512));
      driver.allocate(64, 1);  // so that no two are in a row
      if (in == nullptr) std::memcpy(memory.at(addresses.back()), out.data() + done, part);
      buffers.push_back({addresses.back(), part, in != nullptr});
    }
    const uint64_t status = driver.allocate(1, 1);
    *memory.at(status) = std::byte{0xee};
    buffers.push_back({status, 1, true});
    driver.offer(*queue, buffers, buffers.size() > 8);
    driver.kick(*queue);
    transport.serve();
    const auto used = driver.take(*queue);
    written = used ? used->written : 0;
    if (in != nullptr)
      for (size_t i = 0; i < addresses.size(); ++i)
        std::memcpy(in->data() + i * piece_, memory.at(addresses[i]),
                    std::min<size_t>(piece_, length - i * piece_));
    return static_cast<uint8_t>(*memory.at(status));
  }

  uint8_t read(uint64_t sector, Bytes& into) { return request(VIRTIO_BLK_T_IN, sector, {}, &into); }
  uint8_t write(uint64_t sector, const Bytes& from) { return request(VIRTIO_BLK_T_OUT, sector, from); }
  uint8_t flush() { return request(VIRTIO_BLK_T_FLUSH, 0, {}); }
  uint8_t unmap(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags = 0) {
    const virtio_blk_discard_write_zeroes range{sector, sectors, flags};
    Bytes bytes(sizeof range);
    std::memcpy(bytes.data(), &range, sizeof range);
    return request(type, 0, bytes);
  }
  Bytes content(uint64_t sector, size_t bytes) {
    Bytes into(bytes);
    return read(sector, into) == VIRTIO_BLK_S_OK ? into : Bytes();
  }

  TestMemory memory{8 << 20};
  Block disk;
  MmioTransport transport;
  DriverModel driver;
  DriverModel::Queue* queue = nullptr;
  uint64_t agreed = 0;
  uint32_t written = 0;

 private:
  uint32_t piece_;
  uint64_t base_ = 0;
};

}  // namespace sandstone::devices
