// Blobs: the files of a container image, in a folder or in a tar archive that is not packed.
#pragma once

#include <sandstone/result.h>

#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "image/process/source.h"

namespace sandstone::image {

class Blobs {
 public:
  Blobs() = default;
  Blobs(const Blobs&) = delete;
  Blobs& operator=(const Blobs&) = delete;
  virtual ~Blobs() = default;
  [[nodiscard]] virtual bool has(const std::string& path) = 0;
  // Valid as long as the Blobs are. `path` is relative, and safe whatever it is.
  virtual Result<FileRange> open(const std::string& path) = 0;

  // All of a small file, as text. The Error's place is the path.
  Result<std::string> text(const std::string& path);
};

class FolderBlobs final : public Blobs {
 public:
  explicit FolderBlobs(int folder) : folder_(folder) {}
  bool has(const std::string& path) override;
  Result<FileRange> open(const std::string& path) override;

 private:
  int folder_;
  std::map<std::string, Fd, std::less<>> files_;
};

class ArchiveBlobs final : public Blobs {
 public:
  // Finds what is in the archive. A packed one is first unpacked into `scratch`, to at most `most` bytes.
  static Result<std::unique_ptr<ArchiveBlobs>> open_archive(FileRange archive, int scratch, uint64_t most);
  bool has(const std::string& path) override;
  Result<FileRange> open(const std::string& path) override;

 private:
  ArchiveBlobs() = default;
  Result<void> find(FileRange archive);
  [[nodiscard]] const FileRange* follow(std::string path) const;

  std::map<std::string, FileRange, std::less<>> files_;
  std::map<std::string, std::string, std::less<>> links_;  // docker save writes a layer twice as a link
};

// "a/../b", "./b", "/b": "b". A path that climbs out becomes one that nothing has.
std::string clean_path(std::string_view path);

}  // namespace sandstone::image
