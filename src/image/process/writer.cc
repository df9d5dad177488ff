#include "image/process/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>

namespace sandstone::image {
namespace {

constexpr size_t kBuffer = 1 << 20;  // blocks are taken for so much of a file at a time

uint8_t entry_type(mode_t mode) {
  if (S_ISREG(mode)) return EXT2_FT_REG_FILE;
  if (S_ISDIR(mode)) return EXT2_FT_DIR;
  if (S_ISLNK(mode)) return EXT2_FT_SYMLINK;
  if (S_ISCHR(mode)) return EXT2_FT_CHRDEV;
  if (S_ISBLK(mode)) return EXT2_FT_BLKDEV;
  if (S_ISFIFO(mode)) return EXT2_FT_FIFO;
  return EXT2_FT_SOCK;
}

// Seconds in 34 bits, from 1901 to 2446 (the kernel's Documentation/filesystems/ext4/inodes.rst).
void set_times(ext2_inode_large& inode, int64_t seconds, uint32_t nanoseconds) {
  constexpr int64_t kFirst = INT32_MIN;
  constexpr int64_t kLast = INT32_MAX + (3LL << 32);
  seconds = std::clamp(seconds, kFirst, kLast);
  const auto low = static_cast<uint32_t>(seconds);
  const auto epoch = static_cast<uint32_t>((seconds - static_cast<int32_t>(low)) >> 32) & 3;
  const uint32_t extra = nanoseconds << 2 | epoch;
  inode.i_mtime = inode.i_ctime = inode.i_atime = inode.i_crtime = low;
  inode.i_mtime_extra = inode.i_ctime_extra = inode.i_atime_extra = inode.i_crtime_extra = extra;
}

ext2_inode_large inode_of(const Node& node, const Plan::Item& item) {
  ext2_inode_large inode{};
  inode.i_mode = static_cast<uint16_t>(node.mode);
  inode.i_uid = static_cast<uint16_t>(node.uid);
  inode.osd2.linux2.l_i_uid_high = static_cast<uint16_t>(node.uid >> 16);
  inode.i_gid = static_cast<uint16_t>(node.gid);
  inode.osd2.linux2.l_i_gid_high = static_cast<uint16_t>(node.gid >> 16);
  inode.i_extra_isize = sizeof inode - EXT2_GOOD_OLD_INODE_SIZE;
  set_times(inode, node.mtime, node.nanoseconds);
  // A folder's own name, its ".", and each "..". More than fit are written as 1: the feature dir_nlink.
  constexpr uint32_t kMostLinks = 65000;
  const uint32_t links = node.is_folder() ? item.folders + 2 : item.names;
  inode.i_links_count = static_cast<uint16_t>(node.is_folder() && links >= kMostLinks ? 1 : links);
  if (S_ISCHR(node.mode) || S_ISBLK(node.mode)) {  // the kernel's old_encode_dev() and new_encode_dev()
    if (node.device_major < 256 && node.device_minor < 256)
      inode.i_block[0] = node.device_major << 8 | node.device_minor;
    else
      inode.i_block[1] =
          (node.device_minor & 0xff) | node.device_major << 8 | (node.device_minor & ~0xffU) << 12;
  }
  return inode;
}

bool all_zeros(std::span<const std::byte> bytes) {
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

Writer::Writer(const Tree& tree, const Plan& plan, Ext4& ext4)
    : tree_(tree), plan_(plan), ext4_(ext4), buffer_(kBuffer) {
  for (const Plan::Item& item : plan.items)
    if (const Node& node = tree.at(item.node);
        node.is_file() && node.size != 0 && node.entry != Node::kNoEntry)
      wanted_.push_back({node.layer, node.entry, item.node});
  std::sort(wanted_.begin(), wanted_.end(), [](const Wanted& a, const Wanted& b) {
    return std::tie(a.layer, a.entry) < std::tie(b.layer, b.entry);
  });
}

Result<void> Writer::write_tree() {
  for (const Plan::Item& item : plan_.items)
    if (item.inode != Plan::kRootInode)
      ::ext2fs_inode_alloc_stats2(ext4_.fs(), item.inode, +1, tree_.at(item.node).is_folder() ? 1 : 0);
  for (const Plan::Item& item : plan_.items)
    if (auto written = write_node(item); !written) {
      Error error = written.error();
      if (error.where.empty()) error.where = fmt::format("inode {}", item.inode);
      return error;
    }
  return {};
}

Result<void> Writer::open_inode(uint32_t number) {
  number_ = number;
  errcode_t code = ::ext2fs_read_inode(ext4_.fs(), number, &inode_);
  if (code != 0) return ext4_error("cannot be written", code);
  auto extents = Extents::open(ext4_, number, inode_);
  if (!extents) return extents.error();
  extents_.emplace(std::move(*extents));
  return {};
}

Result<void> Writer::write_node(const Plan::Item& item) {
  const Node& node = tree_.at(item.node);
  ext2_filsys fs = ext4_.fs();
  ext2_inode_large inode = inode_of(node, item);
  const bool fast = S_ISLNK(node.mode) && node.target.size() < sizeof inode.i_block;
  if (S_ISLNK(node.mode)) inode.i_size = static_cast<uint32_t>(node.target.size());
  if (fast) std::memcpy(inode.i_block, node.target.data(), node.target.size());
  // The whole inode, 256 bytes of it: the rest is zeros, for attributes.
  alignas(ext2_inode_large) std::array<char, 256> whole{};
  std::memcpy(whole.data(), &inode, sizeof inode);
  errcode_t code =
      ::ext2fs_write_inode_full(fs, item.inode, reinterpret_cast<ext2_inode*>(whole.data()), whole.size());
  if (code != 0) return ext4_error("cannot write the inode", code);

  if (!node.xattrs.empty()) {
    ext2_xattr_handle* handle = nullptr;
    code = ::ext2fs_xattrs_open(fs, item.inode, &handle);
    if (code == 0) code = ::ext2fs_xattrs_read(handle);
    for (const auto& [name, value] : node.xattrs)
      if (code == 0) code = ::ext2fs_xattr_set(handle, name.c_str(), value.data(), value.size());
    if (handle != nullptr) {
      const errcode_t closed = ::ext2fs_xattrs_close(&handle);
      if (code == 0) code = closed;
    }
    if (code != 0) return ext4_error("cannot write the extended attributes", code);
  }

  const bool slow = S_ISLNK(node.mode) && !fast;
  if (!node.is_folder() && !node.is_file() && !slow) return {};
  if (auto opened = open_inode(item.inode); !opened) return opened;
  Result<void> done;
  if (node.is_folder()) done = write_folder(item, inode_);
  if (slow) done = extents_->append(0, std::as_bytes(std::span(node.target)));
  if (done) done = extents_->finish();
  extents_.reset();
  if (!done) return done;
  inode_.i_flags |= EXT4_EXTENTS_FL;
  code = ::ext2fs_write_inode(fs, item.inode, &inode_);
  return code == 0 ? Result<void>() : ext4_error("cannot write the inode", code);
}

// Entry after entry; the last of a block reaches to the block's end. No index: the kernel makes one when it
// adds to a folder of one block, and reads larger ones from their start to their end until then.
Result<void> Writer::write_folder(const Plan::Item& item, ext2_inode& inode) {
  const Node& node = tree_.at(item.node);
  alignas(ext2_dir_entry) std::array<char, kBlock> block{};
  uint32_t at = 0;
  uint32_t last = 0;
  uint64_t blocks = 0;
  const auto emit = [&]() -> Result<void> {
    reinterpret_cast<ext2_dir_entry*>(&block[last])->rec_len = static_cast<uint16_t>(kEntrySpace - last);
    ::ext2fs_initialize_dirent_tail(ext4_.fs(), EXT2_DIRENT_TAIL(block.data(), kBlock));
    auto appended = extents_->append_folder_block(blocks++, block.data());
    block.fill(0);
    at = 0;
    return appended;
  };
  const auto put = [&](std::string_view name, uint32_t number, uint8_t type) -> Result<void> {
    const uint32_t length = entry_length(name.size());
    if (at + length > kEntrySpace)
      if (auto emitted = emit(); !emitted) return emitted;
    auto* entry = reinterpret_cast<ext2_dir_entry*>(&block[at]);
    entry->inode = number;
    entry->rec_len = static_cast<uint16_t>(length);
    entry->name_len = static_cast<uint16_t>(name.size() | type << 8);
    std::memcpy(entry->name, name.data(), name.size());
    last = at;
    at += length;
    return {};
  };
  auto done = put(".", item.inode, EXT2_FT_DIR);
  if (done) done = put("..", item.parent, EXT2_FT_DIR);
  for (const auto& [name, entry] : node.names)
    if (done) done = put(name, plan_.inode_of[entry.node], entry_type(tree_.at(entry.node).mode));
  if (done) done = emit();
  if (!done) return done;
  const uint64_t size = blocks * kBlock;
  inode.i_size = static_cast<uint32_t>(size);
  inode.i_size_high = static_cast<uint32_t>(size >> 32);
  return {};
}

Result<bool> Writer::begin(uint32_t layer, uint64_t entry) {
  const auto found =
      std::lower_bound(wanted_.begin(), wanted_.end(), std::tie(layer, entry),
                       [](const Wanted& a, const auto& b) { return std::tie(a.layer, a.entry) < b; });
  if (found == wanted_.end() || found->layer != layer || found->entry != entry) return false;
  number_ = plan_.inode_of[found->node];
  const uint64_t size = tree_.at(found->node).size;
  if (auto opened = open_inode(number_); !opened) return opened.error();
  inode_.i_size = static_cast<uint32_t>(size);
  inode_.i_size_high = static_cast<uint32_t>(size >> 32);
  start_ = 0;
  filled_ = 0;
  return true;
}

// Gathers a stretch of the file; within it, what the source does not write stays zero.
Result<void> Writer::write(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (offset >= start_ + kBuffer) {
      if (auto flushed = flush_buffer(); !flushed) return flushed;
      start_ = offset / kBuffer * kBuffer;
    }
    const auto at = static_cast<size_t>(offset - start_);
    const size_t part = std::min(bytes.size(), kBuffer - at);
    std::memcpy(&buffer_[at], bytes.data(), part);
    filled_ = at + part;
    offset += part;
    bytes = bytes.subspan(part);
  }
  return {};
}

// Blocks that are all zeros become holes.
Result<void> Writer::flush_buffer() {
  const size_t blocks = (filled_ + kBlock - 1) / kBlock;
  const auto zero = [&](size_t block) {
    return all_zeros(
        std::span(buffer_).subspan(block * kBlock, std::min<size_t>(kBlock, filled_ - block * kBlock)));
  };
  for (size_t block = 0; block < blocks;) {
    if (zero(block)) {
      ++block;
      continue;
    }
    const size_t first = block;
    while (block < blocks && !zero(block)) ++block;
    const size_t end = std::min(block * kBlock, filled_);
    auto appended = extents_->append(start_ / kBlock + first,
                                     std::span(buffer_).subspan(first * kBlock, end - first * kBlock));
    if (!appended) return appended;
  }
  std::fill(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(filled_), std::byte{0});
  filled_ = 0;
  return {};
}

Result<void> Writer::end() {
  auto done = flush_buffer();
  if (done) done = extents_->finish();
  extents_.reset();
  if (!done) return done;
  const errcode_t code = ::ext2fs_write_inode(ext4_.fs(), number_, &inode_);
  return code == 0 ? Result<void>() : ext4_error("cannot write the inode", code);
}

}  // namespace sandstone::image
