#include "image/process/tar_reader.h"

#include <fmt/format.h>

namespace sandstone::image {

Result<std::unique_ptr<TarReader>> TarReader::open(ByteSource& source) {
  std::unique_ptr<TarReader> reader(new TarReader);
  reader->archive_ = ::archive_read_new();
  if (reader->archive_ == nullptr) return Error{{}, "out of memory", {}};
  ::archive_read_support_format_tar(reader->archive_);
  ::archive_read_append_filter(reader->archive_, ARCHIVE_FILTER_NONE);
  reader->reader_ = SourceReader{&source, std::make_unique<std::byte[]>(SourceReader::kBuffer)};
  if (::archive_read_open(reader->archive_, &reader->reader_, nullptr, &SourceReader::read, nullptr) !=
      ARCHIVE_OK) {
    if (!reader->reader_.last) return reader->reader_.last.error();
    return Error{{}, "is no tar archive", "plain, or packed by gzip, zstd, xz or bzip2"};
  }
  return reader;
}

TarReader::~TarReader() {
  if (archive_ != nullptr) ::archive_read_free(archive_);
}

Result<bool> TarReader::next() {
  const int status = ::archive_read_next_header(archive_, &entry_);
  if (status == ARCHIVE_EOF) return false;
  if (status < ARCHIVE_WARN) {  // a warning is about a name in another character set, whose bytes we keep
    if (!reader_.last) return Error{path_, reader_.last.error().what, reader_.last.error().remedy};
    const bool first = path_.empty() && ::archive_file_count(archive_) <= 1;
    if (first && ::archive_format(archive_) == 0)
      return Error{{}, "is no tar archive", "plain, or packed by gzip, zstd, xz or bzip2"};
    Error error = archive_failure(archive_, "the archive is damaged");
    error.where = path_;
    return error;
  }
  const char* path = ::archive_entry_pathname(entry_);
  if (path == nullptr) path = ::archive_entry_pathname_utf8(entry_);
  if (path == nullptr) return Error{path_, "the name of the entry after this one cannot be read", {}};
  path_ = path;
  const char* link = ::archive_entry_hardlink(entry_);
  if (link == nullptr) link = ::archive_entry_hardlink_utf8(entry_);
  hard_link_ = link != nullptr ? link : "";
  return true;
}

uint64_t TarReader::position() const {
  return static_cast<uint64_t>(::archive_filter_bytes(archive_, 0));
}

uint64_t TarReader::size() const {
  return static_cast<uint64_t>(std::max<la_int64_t>(::archive_entry_size(entry_), 0));
}

bool keeps_attribute(std::string_view name) {
  if (name.size() > 255) return false;
  for (const std::string_view space : {"user.", "security.", "trusted."})
    if (name.size() > space.size() && name.starts_with(space)) return true;
  return name == "system.posix_acl_access" || name == "system.posix_acl_default";
}

Result<Node> TarReader::node() const {
  constexpr int64_t kLargestId = UINT32_MAX - 1;  // the last one means "no id"
  constexpr uint32_t kMajors = 1 << 12;           // the kernel's dev_t
  constexpr uint32_t kMinors = 1 << 20;
  Node node;
  const mode_t type = ::archive_entry_filetype(entry_);
  node.mode = type | (::archive_entry_perm(entry_) & 07777);
  const int64_t uid = ::archive_entry_uid(entry_);
  const int64_t gid = ::archive_entry_gid(entry_);
  if (uid < 0 || uid > kLargestId || gid < 0 || gid > kLargestId)
    return Error{path_, fmt::format("the owner {}:{} is out of range", uid, gid), {}};
  node.uid = static_cast<uint32_t>(uid);
  node.gid = static_cast<uint32_t>(gid);
  node.mtime = ::archive_entry_mtime(entry_);
  const long nanoseconds = ::archive_entry_mtime_nsec(entry_);
  node.nanoseconds = nanoseconds >= 0 && nanoseconds < 1'000'000'000 ? static_cast<uint32_t>(nanoseconds) : 0;
  switch (type) {
    case AE_IFREG:
      node.size = size();
      break;
    case AE_IFLNK: {
      const char* target = ::archive_entry_symlink(entry_);
      if (target == nullptr) target = ::archive_entry_symlink_utf8(entry_);
      node.target = target != nullptr ? target : "";
      break;
    }
    case AE_IFCHR:
    case AE_IFBLK: {
      const auto major = static_cast<uint64_t>(::archive_entry_rdevmajor(entry_));
      const auto minor = static_cast<uint64_t>(::archive_entry_rdevminor(entry_));
      if (major >= kMajors || minor >= kMinors)
        return Error{path_, "the device's number is out of range", {}};
      node.device_major = static_cast<uint32_t>(major);
      node.device_minor = static_cast<uint32_t>(minor);
      break;
    }
    case AE_IFDIR:
    case AE_IFIFO:
    case AE_IFSOCK:
      break;
    default:
      return Error{path_, "is of a kind that tar archives do not have", {}};
  }
  ::archive_entry_xattr_reset(entry_);
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  while (::archive_entry_xattr_next(entry_, &name, &value, &size) == ARCHIVE_OK) {
    if (name == nullptr || !keeps_attribute(name)) continue;
    if (size > kLargestAttribute)
      return Error{path_, fmt::format("the attribute '{}' is too large", name), {}};
    node.xattrs.emplace_back(name, std::string(static_cast<const char*>(value), size));
  }
  return node;
}

Result<void> TarReader::content(const Sink& sink) {
  const uint64_t whole = size();
  uint64_t end = 0;
  for (;;) {
    const void* bytes = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    const int status = ::archive_read_data_block(archive_, &bytes, &size, &offset);
    if (status == ARCHIVE_EOF) return {};
    if (status != ARCHIVE_OK) {
      if (!reader_.last) return Error{path_, reader_.last.error().what, reader_.last.error().remedy};
      Error error = archive_failure(archive_, "the archive is damaged");
      error.where = path_;
      return error;
    }
    // A sparse file's map may claim anything.
    const auto start = static_cast<uint64_t>(offset);
    if (offset < 0 || start < end || start > whole || size > whole - start)
      return Error{path_, "the archive is damaged: the file's parts overlap or stand outside of it", {}};
    end = start + size;
    if (size == 0) continue;
    if (auto taken = sink(start, {static_cast<const std::byte*>(bytes), size}); !taken) return taken;
  }
}

}  // namespace sandstone::image
