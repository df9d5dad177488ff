#include "image/process/source.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "base/fd.h"
#include "base/units.h"

namespace sandstone::image {

std::string Sha256::hex() {
  std::array<uint8_t, SHA256_DIGEST_SIZE> digest{};
  ::sha256_digest(&state_, digest.size(), digest.data());
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

Result<size_t> RangeSource::read(std::span<std::byte> out) {
  const auto want = static_cast<size_t>(std::min<uint64_t>(out.size(), range_.size));
  if (want == 0) return size_t{0};
  ssize_t got;
  do {
    got = ::pread(range_.file, out.data(), want, static_cast<off_t>(range_.offset));
  } while (got < 0 && errno == EINTR);
  if (got < 0) return system_error({}, "cannot read", errno);
  if (got == 0) return Error{{}, "ends too early", "the file is cut off, or was changed meanwhile"};
  range_.offset += static_cast<uint64_t>(got);
  range_.size -= static_cast<uint64_t>(got);
  if (hash_ != nullptr) hash_->add(out.first(static_cast<size_t>(got)));
  return static_cast<size_t>(got);
}

Result<Packing> packing_of(const FileRange& range) {
  using namespace std::string_view_literals;
  std::array<char, 6> head{};
  RangeSource source({range.file, range.offset, std::min<uint64_t>(range.size, head.size())});
  size_t size = 0;
  for (;;) {
    auto got = source.read(std::as_writable_bytes(std::span(head).subspan(size)));
    if (!got) return got.error();
    if (*got == 0) break;
    size += *got;
  }
  const std::string_view start(head.data(), size);
  if (start.starts_with("\x1f\x8b"sv)) return Packing::gzip;
  if (start.starts_with("\x28\xb5\x2f\xfd"sv)) return Packing::zstd;
  if (start.starts_with("\xfd\x37zXZ\0"sv)) return Packing::xz;
  if (start.starts_with("BZh"sv)) return Packing::bzip2;
  return Packing::none;
}

namespace {

int filter_of(Packing packing) {
  switch (packing) {
    case Packing::gzip:
      return ARCHIVE_FILTER_GZIP;
    case Packing::zstd:
      return ARCHIVE_FILTER_ZSTD;
    case Packing::xz:
      return ARCHIVE_FILTER_XZ;
    case Packing::bzip2:
      return ARCHIVE_FILTER_BZIP2;
    case Packing::none:
      break;
  }
  return ARCHIVE_FILTER_NONE;
}

// The source and the buffer of an Unpacker, as libarchive's client: freed with the archive.
int free_reader(archive* /*archive*/, void* reader) {
  delete static_cast<SourceReader*>(reader);
  return ARCHIVE_OK;
}

}  // namespace

Result<std::unique_ptr<Unpacker>> Unpacker::open(std::unique_ptr<ByteSource> packed, Packing packing,
                                                 uint64_t most, Sha256* hash) {
  std::unique_ptr<Unpacker> unpacker(new Unpacker(std::move(packed), most, hash));
  if (packing == Packing::none) return unpacker;
  unpacker->archive_ = ::archive_read_new();
  archive* const archive = unpacker->archive_;
  if (archive == nullptr) return Error{{}, "out of memory", {}};
  ::archive_read_support_format_raw(archive);
  ::archive_read_support_format_empty(archive);
  // Named, not guessed by libarchive, which would go on unpacking what it unpacked.
  if (::archive_read_append_filter(archive, filter_of(packing)) != ARCHIVE_OK)
    return archive_failure(archive, "cannot be unpacked");
  auto* reader =
      new SourceReader{unpacker->packed_.get(), std::make_unique<std::byte[]>(SourceReader::kBuffer)};
  archive_entry* entry = nullptr;
  if (::archive_read_open(archive, reader, nullptr, &SourceReader::read, &free_reader) != ARCHIVE_OK)
    return archive_failure(archive, "cannot be unpacked");
  const int status = ::archive_read_next_header(archive, &entry);
  if (status != ARCHIVE_OK && status != ARCHIVE_EOF) return archive_failure(archive, "cannot be unpacked");
  return unpacker;
}

Unpacker::~Unpacker() {
  if (archive_ != nullptr) ::archive_read_free(archive_);
}

Result<size_t> Unpacker::read(std::span<std::byte> out) {
  size_t size = 0;
  if (archive_ == nullptr) {
    auto got = packed_->read(out);
    if (!got) return got;
    size = *got;
  } else {
    const la_ssize_t got = ::archive_read_data(archive_, out.data(), out.size());
    if (got < 0) return archive_failure(archive_, "cannot be unpacked");
    size = static_cast<size_t>(got);
  }
  unpacked_ += size;
  if (unpacked_ > most_)
    return Error{{},
                 fmt::format("unpacks to more than {}", format_size(most_)),
                 "give a larger --size if that is meant"};
  if (hash_ != nullptr) hash_->add(out.first(size));
  return size;
}

Result<void> drain(ByteSource& source) {
  std::array<std::byte, 65536> buffer;
  for (;;) {
    auto got = source.read(buffer);
    if (!got) return got.error();
    if (*got == 0) return {};
  }
}

la_ssize_t SourceReader::read(archive* archive, void* self, const void** bytes) {
  auto* reader = static_cast<SourceReader*>(self);
  reader->last = reader->source->read({reader->buffer.get(), kBuffer});
  *bytes = reader->buffer.get();
  if (reader->last) return static_cast<la_ssize_t>(*reader->last);
  const Error& error = reader->last.error();
  ::archive_set_error(archive, EIO, "%s%s%s%s", error.what.c_str(), error.remedy.empty() ? "" : " (",
                      error.remedy.c_str(), error.remedy.empty() ? "" : ")");
  return ARCHIVE_FATAL;
}

Error archive_failure(archive* archive, const char* what) {
  const char* text = ::archive_error_string(archive);
  return Error{{}, text != nullptr ? fmt::format("{}: {}", what, text) : std::string(what), {}};
}

}  // namespace sandstone::image
