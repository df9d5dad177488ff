// TarReader: the entries of a tar archive, by libarchive. Each is hostile.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <sandstone/result.h>

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "image/process/source.h"
#include "image/process/tree.h"

namespace sandstone::image {

class TarReader {
 public:
  // `source` must outlive it.
  static Result<std::unique_ptr<TarReader>> open(ByteSource& source);
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;
  ~TarReader();

  // The next entry; false at the archive's end. The Error's place is the entry that it got to, if any.
  Result<bool> next();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& hard_link() const { return hard_link_; }  // empty: it is none
  [[nodiscard]] uint64_t position() const;  // in the source: of the entry's content, until that is read
  [[nodiscard]] uint64_t size() const;

  // All but the content, and no hard link.
  Result<Node> node() const;

  // The content, piece by piece and in order; what lies between pieces is zeros.
  using Sink = std::function<Result<void>(uint64_t offset, std::span<const std::byte> bytes)>;
  Result<void> content(const Sink& sink);

 private:
  TarReader() = default;

  archive* archive_ = nullptr;
  archive_entry* entry_ = nullptr;
  SourceReader reader_{nullptr, nullptr};
  std::string path_;
  std::string hard_link_;
};

// Which extended attributes an image keeps: those that Linux's ext4 takes as they are, ACLs among them.
bool keeps_attribute(std::string_view name);
inline constexpr size_t kLargestAttribute = 65536;  // the kernel's own limit (xattr(7))

}  // namespace sandstone::image
