// Folder: a folder of the host as the content of an image. No symbolic link in it is followed.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "image/process/content.h"

namespace sandstone::image {

class Folder final : public Content {
 public:
  // The descriptor stays the caller's. `label` is how errors call the folder.
  Folder(int folder, std::string label, Owners owners)
      : folder_(folder), label_(std::move(label)), owners_(owners) {}

  Result<void> scan(Tree& tree) override;
  Result<void> copy(ContentSink& sink) override;

 private:
  struct File {
    std::string path;
    dev_t device;
    ino_t inode;
    uint64_t size;
  };
  struct Scan;
  Result<void> scan_folder(Scan& scan, const std::string& path, NodeId id);
  Result<void> scan_entry(Scan& scan, int folder, const std::string& path, const char* name, NodeId parent);
  Result<Node> describe(int folder, const char* name, const struct stat& status) const;
  Result<void> copy_file(const File& file, ContentSink& sink) const;
  [[nodiscard]] Fd open(const std::string& path, int flags) const;
  [[nodiscard]] std::string place(const std::string& path) const;

  int folder_;
  std::string label_;
  Owners owners_;
  std::vector<File> files_;  // by the number of their entry
};

}  // namespace sandstone::image
