#include "devices/block.h"

#include <linux/virtio_ids.h>

#include <algorithm>
#include <utility>

namespace sandstone::devices {
namespace {

constexpr std::array<uint16_t, 1> kQueues{Block::kQueueSize};

// A thread that serves a disk looks up after so much, so that the driver hears of what is done.
constexpr unsigned kRequestsAtOnce = 32;
constexpr uint64_t kBytesAtOnce = 2 << 20;

// What one request may have freed or zeroed. Zeroing may mean writing them, so it is the smaller one.
constexpr uint32_t kMaxRanges = 16;
constexpr uint32_t kMaxDiscardSectors = 1 << 22;
constexpr uint32_t kMaxZeroSectors = 1 << 17;

constexpr uint8_t kOk = VIRTIO_BLK_S_OK;
constexpr uint8_t kIoError = VIRTIO_BLK_S_IOERR;
constexpr uint8_t kUnsupported = VIRTIO_BLK_S_UNSUPP;

uint64_t bit(unsigned number) {
  return uint64_t{1} << number;
}

}  // namespace

Block::Block(std::unique_ptr<Store> store, std::string serial)
    : store_(std::move(store)), sectors_(store_->size() / kSector), serial_(std::move(serial)) {
  config_.capacity = sectors_;
  config_.seg_max = kQueueSize - 2;  // the header and the status take one each
  config_.blk_size = kSector;
  config_.max_discard_sectors = kMaxDiscardSectors;
  config_.max_discard_seg = kMaxRanges;
  config_.discard_sector_alignment = 8;  // what the overlay can free: 4 KiB
  config_.max_write_zeroes_sectors = kMaxZeroSectors;
  config_.max_write_zeroes_seg = kMaxRanges;
  config_.write_zeroes_may_unmap = 1;
}

uint32_t Block::id() const {
  return VIRTIO_ID_BLOCK;
}

uint64_t Block::features() const {
  const uint64_t always = bit(VIRTIO_BLK_F_SEG_MAX) | bit(VIRTIO_BLK_F_BLK_SIZE);
  if (!store_->writable()) return always | bit(VIRTIO_BLK_F_RO);
  return always | bit(VIRTIO_BLK_F_FLUSH) | bit(VIRTIO_BLK_F_DISCARD) | bit(VIRTIO_BLK_F_WRITE_ZEROES);
}

std::span<const uint16_t> Block::queue_sizes() const {
  return kQueues;
}

void Block::read_config(uint32_t offset, std::span<std::byte> out) const {
  copy_config(std::as_bytes(std::span(&config_, 1)), offset, out);
}

// 5.2.6.2: without FLUSH the driver has no way to make a write last, so each one does.
void Block::start(uint64_t features) {
  write_through_ = (features & bit(VIRTIO_BLK_F_FLUSH)) == 0;
}

bool Block::process(unsigned /*index*/, Virtqueue& queue) {
  moved_ = 0;
  for (unsigned i = 0; i < kRequestsAtOnce && moved_ < kBytesAtOnce; ++i)
    if (!drain(queue, chain_, 1, [&](Chain& chain) { return serve(chain, queue); })) return false;
  return true;
}

bool Block::inside(uint64_t sector, uint64_t bytes) const {
  return sector <= sectors_ && bytes / kSector <= sectors_ - sector && bytes % kSector == 0;
}

uint32_t Block::serve(Chain& chain, Virtqueue& queue) {
  virtio_blk_outhdr header;
  std::byte* status = chain.take_last();
  const size_t got = chain.read(std::as_writable_bytes(std::span(&header, 1)));
  if (status == nullptr || got < sizeof header) {  // there is nowhere to say that it failed
    queue.fail(QueueFault::Kind::bad_request, status == nullptr ? 0 : got, sizeof header);
    return 0;
  }
  uint32_t written = 0;
  const uint8_t result = carry_out(header.type, header.sector, chain, written);
  store<uint8_t>(status, result);
  return (result == kOk ? written : 0) + 1;
}

uint8_t Block::carry_out(uint32_t type, uint64_t sector, Chain& chain, uint32_t& written) {
  switch (type) {
    case VIRTIO_BLK_T_IN:
      return read(sector, chain, written);
    case VIRTIO_BLK_T_OUT:
      return write(sector, chain);
    case VIRTIO_BLK_T_FLUSH:
      return store_->flush() == 0 ? kOk : kIoError;
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
      return unmap(type, chain);
    case VIRTIO_BLK_T_GET_ID: {
      std::array<std::byte, VIRTIO_BLK_ID_BYTES> id{};
      std::memcpy(id.data(), serial_.data(), std::min(serial_.size(), id.size()));
      written = static_cast<uint32_t>(chain.write(id));
      return kOk;
    }
    default:
      return kUnsupported;
  }
}

uint8_t Block::read(uint64_t sector, Chain& chain, uint32_t& written) {
  const uint64_t bytes = chain.writable_bytes();
  if (!inside(sector, bytes)) return kIoError;
  moved_ += bytes;
  written = static_cast<uint32_t>(bytes);
  return bytes == 0 || store_->read(sector * kSector, chain.writable()) == 0 ? kOk : kIoError;
}

uint8_t Block::write(uint64_t sector, Chain& chain) {
  const uint64_t bytes = chain.readable_bytes();
  if (!store_->writable() || !inside(sector, bytes)) return kIoError;
  moved_ += bytes;
  if (bytes != 0 && store_->write(sector * kSector, chain.readable()) != 0) return kIoError;
  return write_through_ && store_->flush() != 0 ? kIoError : kOk;
}

// 5.2.6: DISCARD and WRITE_ZEROES carry a list of ranges. All are looked at before any is touched.
uint8_t Block::unmap(uint32_t type, Chain& chain) {
  if (!store_->writable()) return kIoError;
  const bool zeroes = type == VIRTIO_BLK_T_WRITE_ZEROES;
  std::array<virtio_blk_discard_write_zeroes, kMaxRanges> ranges;
  const uint64_t bytes = chain.readable_bytes();
  if (bytes == 0 || bytes % sizeof ranges[0] != 0 || bytes > sizeof ranges) return kIoError;
  const size_t count = chain.read(std::as_writable_bytes(std::span(ranges))) / sizeof ranges[0];
  for (size_t i = 0; i < count; ++i) {
    const uint32_t known = zeroes ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
    if ((ranges[i].flags & ~known) != 0) return kUnsupported;
    if (ranges[i].num_sectors > (zeroes ? kMaxZeroSectors : kMaxDiscardSectors)) return kIoError;
    if (!inside(ranges[i].sector, uint64_t{ranges[i].num_sectors} * kSector)) return kIoError;
  }
  for (size_t i = 0; i < count; ++i) {
    const uint64_t offset = ranges[i].sector * kSector;
    const uint64_t length = uint64_t{ranges[i].num_sectors} * kSector;
    if (length == 0) continue;
    const int error =
        zeroes ? store_->zero(offset, length, ranges[i].flags != 0) : store_->discard(offset, length);
    if (error != 0) return kIoError;
  }
  return write_through_ && store_->flush() != 0 ? kIoError : kOk;
}

}  // namespace sandstone::devices
