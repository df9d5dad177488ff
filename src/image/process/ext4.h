// Ext4: an empty ext4 file system in a file, by libext2fs, and the blocks of what is put into it.
#pragma once

#include <ext2fs/ext2fs.h>
#include <sandstone/result.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "image/process/plan.h"

namespace sandstone::image {

// "what: libext2fs's words for it". A file system that is full has a remedy.
Error ext4_error(std::string_view what, errcode_t code);

class Ext4 {
 public:
  // `file` is empty, and stays the caller's. The root and all else that the plan names are yet to be written.
  static Result<std::unique_ptr<Ext4>> create(int file, const Shape& shape);
  Ext4(const Ext4&) = delete;
  Ext4& operator=(const Ext4&) = delete;
  ~Ext4();

  [[nodiscard]] ext2_filsys fs() const { return fs_; }
  [[nodiscard]] int file() const { return file_; }

  // Marks up to `count` free blocks in a row as used, near the last ones.
  struct Run {
    uint64_t block = 0;
    uint32_t count = 0;
  };
  Result<Run> take(uint64_t count);

  // Writes what is in memory, and waits until it is on the disk. Returns the bytes that are not free.
  Result<uint64_t> finish();

 private:
  explicit Ext4(int file) : file_(file) {}
  Result<void> prepare();

  int file_;
  ext2_filsys fs_ = nullptr;
  uint64_t next_ = 0;  // block after the last that was taken
};

// The extents of one inode, appended from its start to its end.
class Extents {
 public:
  // `inode` is the inode as it is written; what it becomes is for the caller to write when all is appended.
  static Result<Extents> open(Ext4& ext4, uint32_t number, ext2_inode& inode);
  Extents(Extents&& other) noexcept;
  Extents& operator=(Extents&&) = delete;
  ~Extents();

  // Blocks for the `bytes`, whose first is block `logical` of the file, and the bytes in them. What is
  // missing of the last block is zeros.
  Result<void> append(uint64_t logical, std::span<const std::byte> bytes);
  // One block of a folder, with its checksum.
  Result<void> append_folder_block(uint64_t logical, char* block);
  Result<void> finish();

 private:
  Extents(Ext4& ext4, uint32_t number, ext2_inode& inode) : ext4_(&ext4), number_(number), inode_(&inode) {}
  Result<void> add(uint64_t logical, Ext4::Run run);
  Result<void> flush();

  Ext4* ext4_;
  uint32_t number_;
  ext2_inode* inode_;
  ext2_extent_handle_t handle_ = nullptr;
  ext2fs_extent pending_{};  // not yet in the tree: the next run may follow upon it
};

}  // namespace sandstone::image
