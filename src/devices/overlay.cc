#include "devices/overlay.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>

namespace sandstone::devices {
namespace {

constexpr uint64_t kBlock = OverlayStore::kBlock;

uint64_t block_of(uint64_t offset) {
  return offset / kBlock;
}
uint64_t block_after(uint64_t end) {
  return (end + kBlock - 1) / kBlock;
}

}  // namespace

Result<std::unique_ptr<Store>> OverlayStore::create(Fd base, uint64_t size, Fd changes,
                                                    const std::string& name) {
  if (::ftruncate(changes.get(), static_cast<off_t>(size)) != 0)
    return system_error(name, "cannot make a file as large for the changes", errno,
                        "set TMPDIR to a folder on another disk");
  // Zeroed by the kernel when touched: an image of terabytes costs what is used of it.
  Bits changed(static_cast<uint64_t*>(std::calloc(block_after(size) / 64 + 1, sizeof(uint64_t))));
  if (changed == nullptr) return Error{name, "is too large for this machine's memory", {}};
  return std::unique_ptr<Store>(
      new OverlayStore(std::move(base), size, std::move(changes), std::move(changed)));
}

uint64_t OverlayStore::end_of_run(uint64_t block, uint64_t end, bool changed) const {
  while (block < end) {
    const uint64_t word = changed_[block / 64] ^ (changed ? 0 : ~uint64_t{0});  // ones where the run goes on
    const auto ones = static_cast<uint64_t>(std::countr_one(word >> (block % 64)));
    const uint64_t left = 64 - block % 64;
    if (ones < left) return std::min(block + ones, end);
    block += left;
  }
  return end;
}

void OverlayStore::mark(uint64_t first, uint64_t end) {
  while (first < end) {
    const uint64_t count = std::min(64 - first % 64, end - first);
    changed_[first / 64] |= (count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1) << (first % 64);
    first += count;
  }
}

int OverlayStore::read(uint64_t offset, std::span<const iovec> to) {
  PieceCursor cursor(to);
  const uint64_t end = offset + total_bytes(to);
  while (offset < end) {
    const bool changed = is_changed(block_of(offset));
    const uint64_t run_end = std::min(end, end_of_run(block_of(offset), block_after(end), changed) * kBlock);
    const int error = read_at(changed ? changes_.get() : base_.get(), offset, run_end - offset, cursor);
    if (error != 0) return error;
    offset = run_end;
  }
  return 0;
}

// Copies [from, to), part of one block, from the base.
int OverlayStore::copy_up(uint64_t from, uint64_t to) {
  if (from >= to) return 0;
  std::array<std::byte, kBlock> bytes;
  const std::array<iovec, 1> piece{{{bytes.data(), to - from}}};
  PieceCursor in(piece);
  if (const int error = read_at(base_.get(), from, to - from, in)) return error;
  PieceCursor out(piece);
  return write_at(changes_.get(), from, to - from, out);
}

// Before [offset, end) is written: what the blocks at its edges keep comes up from the base.
int OverlayStore::keep_edges(uint64_t offset, uint64_t end) {
  if (const uint64_t first = block_of(offset); !is_changed(first)) {
    const uint64_t block_end = std::min((first + 1) * kBlock, size_);
    if (const int error = copy_up(first * kBlock, offset)) return error;
    if (const int error = copy_up(end, block_end)) return error;
  }
  if (const uint64_t last = block_of(end - 1); last != block_of(offset) && !is_changed(last))
    return copy_up(end, std::min((last + 1) * kBlock, size_));
  return 0;
}

int OverlayStore::write(uint64_t offset, std::span<const iovec> from) {
  const uint64_t length = total_bytes(from);
  if (length == 0) return 0;
  const uint64_t end = offset + length;
  if (const int error = keep_edges(offset, end)) return error;
  PieceCursor cursor(from);
  if (const int error = write_at(changes_.get(), offset, length, cursor)) return error;
  mark(block_of(offset), block_after(end));  // last: a write that failed has left the base's block to be seen
  return 0;
}

// Whole blocks; the last one may be cut off by the image's end.
int OverlayStore::zero_blocks(uint64_t first, uint64_t end) {
  if (first >= end) return 0;
  const uint64_t offset = first * kBlock;
  const uint64_t length = std::min(end * kBlock, size_) - offset;
  int result = 0;
  do {  // also where nothing is marked: a write that failed may have left something there
    result = ::fallocate(changes_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                         static_cast<off_t>(offset), static_cast<off_t>(length));
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno != EOPNOTSUPP) return errno;
  if (result != 0)
    if (const int error = write_zeros_at(changes_.get(), offset, length)) return error;
  mark(first, end);
  return 0;
}

int OverlayStore::discard(uint64_t offset, uint64_t length) {
  const uint64_t end = offset + length;
  return zero_blocks(block_after(offset), end == size_ ? block_after(end) : block_of(end));
}

int OverlayStore::zero(uint64_t offset, uint64_t length, bool /*may_unmap*/) {
  static const std::array<std::byte, kBlock> zeros{};
  const auto write_zeros = [&](uint64_t from, uint64_t to) {
    if (from >= to) return 0;
    const std::array<iovec, 1> piece{{{const_cast<std::byte*>(zeros.data()), to - from}}};
    return write(from, piece);
  };
  const uint64_t end = offset + length;
  const uint64_t first = block_after(offset);
  const uint64_t last = end == size_ ? block_after(end) : block_of(end);
  if (first > last) return write_zeros(offset, end);  // inside one block
  if (const int error = write_zeros(offset, std::min(first * kBlock, end))) return error;
  if (const int error = zero_blocks(first, last)) return error;
  return write_zeros(std::max(last * kBlock, std::min(first * kBlock, end)), end);
}

}  // namespace sandstone::devices
