// Where bytes come from: a stretch of a file, or the same unpacked; either may be hashed on the way.
#pragma once

#include <archive.h>
#include <nettle/sha2.h>
#include <sandstone/result.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace sandstone::image {

class Sha256 {
 public:
  Sha256() { ::sha256_init(&state_); }
  void add(std::span<const std::byte> bytes) {
    ::sha256_update(&state_, bytes.size(), reinterpret_cast<const uint8_t*>(bytes.data()));
  }
  [[nodiscard]] std::string hex();  // of all until now; starts anew

 private:
  sha256_ctx state_{};
};

class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;
  // The next bytes, at most as many as fit; 0 at the end. The Error's place is left empty.
  virtual Result<size_t> read(std::span<std::byte> out) = 0;
};

// A part of an open file. The descriptor stays the caller's.
struct FileRange {
  int file = -1;
  uint64_t offset = 0;
  uint64_t size = 0;
};

class RangeSource final : public ByteSource {
 public:
  explicit RangeSource(FileRange range, Sha256* hash = nullptr) : range_(range), hash_(hash) {}
  Result<size_t> read(std::span<std::byte> out) override;

 private:
  FileRange range_;
  Sha256* hash_;
};

enum class Packing : uint8_t { none, gzip, zstd, xz, bzip2 };

// By the first bytes. One layer of packing only: a packed file in a packed file is no tar archive.
Result<Packing> packing_of(const FileRange& range);

// Unpacks a range. More than `most` bytes are an error: a small file may unpack to anything.
class Unpacker final : public ByteSource {
 public:
  static Result<std::unique_ptr<Unpacker>> open(std::unique_ptr<ByteSource> packed, Packing packing,
                                                uint64_t most, Sha256* hash = nullptr);
  ~Unpacker() override;
  Result<size_t> read(std::span<std::byte> out) override;
  [[nodiscard]] uint64_t unpacked() const { return unpacked_; }

 private:
  Unpacker(std::unique_ptr<ByteSource> packed, uint64_t most, Sha256* hash)
      : packed_(std::move(packed)), most_(most), hash_(hash) {}

  std::unique_ptr<ByteSource> packed_;
  std::unique_ptr<std::byte[]> buffer_;
  archive* archive_ = nullptr;
  uint64_t most_;
  uint64_t unpacked_ = 0;
  Sha256* hash_;
};

// Reads to the end, so that what hashes has seen all.
Result<void> drain(ByteSource& source);

// For archive_read_open(3): reads of a ByteSource through a buffer.
struct SourceReader {
  ByteSource* source;
  std::unique_ptr<std::byte[]> buffer;
  Result<size_t> last = size_t{0};  // the Error, if that is why libarchive stopped

  static constexpr size_t kBuffer = 256 << 10;
  static la_ssize_t read(archive* archive, void* self, const void** bytes);
};

// What libarchive says is wrong, as an Error without a place.
Error archive_failure(archive* archive, const char* what);

}  // namespace sandstone::image
