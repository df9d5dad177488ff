#include "image/process/ext4.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <string>

#include "base/fd.h"

namespace sandstone::image {
namespace {

// Kept at 256 bytes an inode, a quarter of a block for 4 groups' tables: mke2fs.conf(5)'s ext4, but for
// resize_inode (it serves growing while mounted) and what Linux 6.1 does not know.
constexpr uint32_t kCompatible = EXT2_FEATURE_COMPAT_EXT_ATTR | EXT2_FEATURE_COMPAT_DIR_INDEX;
constexpr uint32_t kIncompatible = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS |
                                   EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_FLEX_BG;
constexpr uint32_t kReadOnlyCompatible =
    EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
    EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_DIR_NLINK | EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE |
    EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;

void set_random(void* where, size_t size) {
  // 16 bytes: never short (getrandom(2)).
  if (::getrandom(where, size, 0) != static_cast<ssize_t>(size)) std::abort();
}

}  // namespace

Error ext4_error(std::string_view what, errcode_t code) {
  const bool full =
      code == EXT2_ET_BLOCK_ALLOC_FAIL || code == EXT2_ET_INODE_ALLOC_FAIL || code == EXT2_ET_DIR_NO_SPACE;
  if (full) return Error{{}, fmt::format("{}: the image is full", what), "give a larger --size, or none"};
  if (code == EXT2_ET_EA_NO_SPACE)
    return Error{
        {}, fmt::format("{}: ext4 has room for about 4000 bytes of them", what), "remove the largest"};
  return Error{{}, fmt::format("{}: {}", what, ::error_message(code)), {}};
}

Result<std::unique_ptr<Ext4>> Ext4::create(int file, const Shape& shape) {
  if (::ftruncate(file, static_cast<off_t>(shape.bytes)) != 0)
    return system_error({}, "cannot make the image that large", errno);
  std::unique_ptr<Ext4> ext4(new Ext4(file));
  ext2_super_block wanted{};
  wanted.s_rev_level = EXT2_DYNAMIC_REV;
  wanted.s_log_block_size = 2;  // 4096
  wanted.s_log_cluster_size = 2;
  wanted.s_inode_size = 256;
  wanted.s_desc_size = EXT2_MIN_DESC_SIZE_64BIT;
  wanted.s_log_groups_per_flex = 4;
  wanted.s_inodes_count = shape.inodes;
  ::ext2fs_blocks_count_set(&wanted, shape.bytes / kBlock);
  wanted.s_feature_compat = kCompatible;
  wanted.s_feature_incompat = kIncompatible;
  wanted.s_feature_ro_compat = kReadOnlyCompatible;
  wanted.s_checksum_type = EXT2_CRC32C_CHKSUM;

  // By the descriptor: this process has no names to open. libext2fs closes the one that it is given.
  const int copy = ::fcntl(file, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return system_error({}, "cannot duplicate a descriptor", errno);
  const errcode_t code = ::ext2fs_initialize(std::to_string(copy).c_str(), EXT2_FLAG_64BITS, &wanted,
                                             unixfd_io_manager, &ext4->fs_);
  if (code != 0) return ext4_error("cannot make a file system of that size", code);
  if (auto prepared = ext4->prepare(); !prepared) return prepared.error();
  return ext4;
}

// What mke2fs(8) does between ext2fs_initialize() and the first file.
Result<void> Ext4::prepare() {
  ext2_super_block& super = *fs_->super;
  set_random(super.s_uuid, sizeof super.s_uuid);
  set_random(super.s_hash_seed, sizeof super.s_hash_seed);
  super.s_def_hash_version = EXT2_HASH_HALF_MD4;
  super.s_flags |= EXT2_FLAGS_SIGNED_HASH;  // x86's char is
  super.s_checksum_type = EXT2_CRC32C_CHKSUM;
  ::ext2fs_init_csum_seed(fs_);
  super.s_max_mnt_count = static_cast<uint16_t>(-1);
  super.s_min_extra_isize = super.s_want_extra_isize = sizeof(ext2_inode_large) - EXT2_GOOD_OLD_INODE_SIZE;
  super.s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
  super.s_mkfs_time = super.s_lastcheck = static_cast<uint32_t>(std::time(nullptr));

  if (const errcode_t code = ::ext2fs_allocate_tables(fs_); code != 0)
    return ext4_error("cannot lay out the tables", code);
  // The file is new, so the tables are zeros, and neither we nor the kernel need to write them.
  for (dgrp_t group = 0; group < fs_->group_desc_count; ++group) {
    ::ext2fs_bg_flags_set(fs_, group, EXT2_BG_INODE_ZEROED);
    ::ext2fs_group_desc_csum_set(fs_, group);
  }
  for (ext2_ino_t reserved = 1; reserved < Plan::kFirstInode; ++reserved)
    ::ext2fs_inode_alloc_stats2(fs_, reserved, +1, reserved == EXT2_ROOT_INO ? 1 : 0);
  ext2_badblocks_list none = nullptr;
  if (errcode_t code = ::ext2fs_badblocks_list_create(&none, 0); code == 0) {
    code = ::ext2fs_update_bb_inode(fs_, none);
    ::ext2fs_badblocks_list_free(none);
    if (code != 0) return ext4_error("cannot write the list of bad blocks", code);
  }
  ext2fs_journal_params journal{};
  if (const errcode_t code = ::ext2fs_get_journal_params(&journal, fs_); code != 0)
    return ext4_error("has no room for a journal", code);
  const int flags = EXT2_MKJOURNAL_LAZYINIT | EXT2_MKJOURNAL_NO_MNT_CHECK;
  if (const errcode_t code = ::ext2fs_add_journal_inode3(fs_, &journal, ~blk64_t{0}, flags); code != 0)
    return ext4_error("cannot make the journal", code);
  ::ext2fs_mark_super_dirty(fs_);
  return {};
}

Ext4::~Ext4() {
  // Not ext2fs_close(): what is unfinished is thrown away, and need not be written before.
  if (fs_ != nullptr) ::ext2fs_free(fs_);
}

Result<Ext4::Run> Ext4::take(uint64_t count) {
  blk64_t block = 0;
  blk64_t found = 0;
  if (next_ >= ::ext2fs_blocks_count(fs_->super)) next_ = 0;
  const errcode_t code = ::ext2fs_new_range(fs_, 0, next_, count, nullptr, &block, &found);
  if (code != 0) return ext4_error("cannot be written", code);
  const auto taken = static_cast<uint32_t>(std::min<uint64_t>(found, count));
  ::ext2fs_block_alloc_stats_range(fs_, block, taken, +1);
  next_ = block + taken;
  return Run{block, taken};
}

Result<uint64_t> Ext4::finish() {
  const uint64_t used = (::ext2fs_blocks_count(fs_->super) - ::ext2fs_free_blocks_count(fs_->super)) * kBlock;
  const errcode_t code = ::ext2fs_close_free(&fs_);
  if (code != 0) return ext4_error("cannot write the image", code);
  if (::fsync(file_) != 0) return system_error({}, "cannot write the image", errno);
  return used;
}

Result<Extents> Extents::open(Ext4& ext4, uint32_t number, ext2_inode& inode) {
  Extents extents(ext4, number, inode);
  const errcode_t code = ::ext2fs_extent_open2(ext4.fs(), number, &inode, &extents.handle_);
  if (code != 0) return ext4_error("cannot be written", code);
  return extents;
}

Extents::Extents(Extents&& other) noexcept
    : ext4_(other.ext4_),
      number_(other.number_),
      inode_(other.inode_),
      handle_(std::exchange(other.handle_, nullptr)),
      pending_(other.pending_) {}

Extents::~Extents() {
  if (handle_ != nullptr) ::ext2fs_extent_free(handle_);
}

Result<void> Extents::append(uint64_t logical, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    auto run = ext4_->take((bytes.size() + kBlock - 1) / kBlock);
    if (!run) return run.error();
    const auto part = bytes.first(std::min<size_t>(bytes.size(), size_t{run->count} * kBlock));
    // Past libext2fs's cache: these blocks are new, so none of them is in it. The file is zeros behind them.
    for (size_t done = 0; done < part.size();) {
      const ssize_t put = ::pwrite(ext4_->file(), part.data() + done, part.size() - done,
                                   static_cast<off_t>(run->block * kBlock + done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return system_error({}, "cannot write the image", errno);
      done += static_cast<size_t>(put);
    }
    if (auto added = add(logical, *run); !added) return added;
    logical += run->count;
    bytes = bytes.subspan(part.size());
  }
  return {};
}

Result<void> Extents::append_folder_block(uint64_t logical, char* block) {
  auto run = ext4_->take(1);
  if (!run) return run.error();
  const errcode_t code = ::ext2fs_write_dir_block4(ext4_->fs(), run->block, block, 0, number_);
  if (code != 0) return ext4_error("cannot write the folder", code);
  return add(logical, *run);
}

Result<void> Extents::add(uint64_t logical, Ext4::Run run) {
  const errcode_t code = ::ext2fs_iblk_add_blocks(ext4_->fs(), inode_, run.count);
  if (code != 0) return ext4_error("cannot be written", code);
  constexpr uint32_t kLongest = 1 << 15;  // an extent's length has 15 bits and one value
  if (pending_.e_len != 0 && pending_.e_lblk + pending_.e_len == logical &&
      pending_.e_pblk + pending_.e_len == run.block && pending_.e_len + run.count <= kLongest) {
    pending_.e_len += run.count;
    return {};
  }
  if (auto flushed = flush(); !flushed) return flushed;
  pending_ = {run.block, logical, run.count, 0};
  return {};
}

Result<void> Extents::flush() {
  if (pending_.e_len == 0) return {};
  const errcode_t code = ::ext2fs_extent_insert(handle_, EXT2_EXTENT_INSERT_AFTER, &pending_);
  pending_.e_len = 0;
  return code == 0 ? Result<void>() : ext4_error("cannot be written", code);
}

Result<void> Extents::finish() {
  return flush();
}

}  // namespace sandstone::image
