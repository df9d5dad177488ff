// Writer: puts a planned Tree into an Ext4, and then the content of its files.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "image/process/content.h"
#include "image/process/ext4.h"
#include "image/process/plan.h"

namespace sandstone::image {

class Writer final : public ContentSink {
 public:
  // All must outlive it.
  Writer(const Tree& tree, const Plan& plan, Ext4& ext4);

  // Every inode, with attributes, folders' entries and links' targets. Files are empty afterwards.
  Result<void> write_tree();

  Result<bool> begin(uint32_t layer, uint64_t entry) override;
  Result<void> write(uint64_t offset, std::span<const std::byte> bytes) override;
  Result<void> end() override;

 private:
  Result<void> write_node(const Plan::Item& item);
  Result<void> write_folder(const Plan::Item& item, ext2_inode& inode);
  Result<void> open_inode(uint32_t number);
  Result<void> flush_buffer();

  const Tree& tree_;
  const Plan& plan_;
  Ext4& ext4_;

  // Which file an entry is, sorted.
  struct Wanted {
    uint32_t layer;
    uint64_t entry;
    NodeId node;
  };
  std::vector<Wanted> wanted_;

  // The file that is being written.
  uint32_t number_ = 0;
  ext2_inode inode_{};
  std::optional<Extents> extents_;
  std::vector<std::byte> buffer_;  // the stretch of the file from start_ on, `filled_` of it from the source
  uint64_t start_ = 0;
  size_t filled_ = 0;
};

}  // namespace sandstone::image
