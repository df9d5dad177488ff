// Store: the bytes behind a block device, and reading and writing them straight from and to guest memory.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace sandstone::devices {

// Offsets and lengths are bytes; the caller keeps offset + length within size(). Each call does all of it and
// returns 0, or an errno and part of it may be done. One thread at a time.
class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  [[nodiscard]] virtual uint64_t size() const = 0;
  [[nodiscard]] virtual bool writable() const = 0;
  virtual int read(uint64_t offset, std::span<const iovec> to) = 0;
  virtual int write(uint64_t offset, std::span<const iovec> from) = 0;
  virtual int discard(uint64_t offset, uint64_t length) = 0;  // what is read there afterwards is anything
  virtual int zero(uint64_t offset, uint64_t length, bool may_unmap) = 0;
  virtual int flush() = 0;  // what was written is on stable storage
};

uint64_t total_bytes(std::span<const iovec> pieces);

// Where a transfer has come to in a list of pieces.
class PieceCursor {
 public:
  explicit PieceCursor(std::span<const iovec> pieces) : pieces_(pieces) {}
  // The next pieces, `limit` bytes at most and as many as fit in `out`; returns how many.
  size_t next(uint64_t limit, std::span<iovec> out) const;
  void advance(uint64_t bytes);

 private:
  std::span<const iovec> pieces_;
  size_t skip_ = 0;  // bytes of the first one that are done
};

// preadv(2) or pwritev(2) of `length` bytes at `offset`, until all is done: short transfers, EINTR and
// IOV_MAX are dealt with. 0 or an errno; EIO if a file ends early.
int read_at(int file, uint64_t offset, uint64_t length, PieceCursor& to);
int write_at(int file, uint64_t offset, uint64_t length, PieceCursor& from);
int write_zeros_at(int file, uint64_t offset, uint64_t length);

}  // namespace sandstone::devices
