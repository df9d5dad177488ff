#include "image/process/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"

namespace sandstone::image {
namespace {

constexpr uint64_t kLargestFile = uint64_t{kBlock} * (UINT32_MAX - 1ULL);
constexpr uint32_t kMostNames = 65000;  // EXT4_LINK_MAX
constexpr size_t kFastTarget = 60;      // a shorter one lies in the inode
constexpr uint64_t kSmallest = 8ULL << 20;
constexpr uint64_t kLargest = 16ULL << 40;
constexpr uint64_t kLargestUnasked = 64ULL << 30;

uint64_t blocks_of(const Node& node) {
  uint64_t blocks = node.xattrs.empty() ? 0 : 1;
  if (node.is_folder()) return blocks + folder_blocks(node);
  if (S_ISLNK(node.mode) && node.target.size() >= kFastTarget) return blocks + 1;
  if (!node.is_file()) return blocks;
  const uint64_t content = node.size / kBlock + (node.size % kBlock != 0 ? 1 : 0);
  return blocks + content + content / 1024;  // and the blocks of a tree of many extents
}

uint64_t round_up(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace

uint64_t folder_blocks(const Node& folder) {
  uint64_t blocks = 1;
  uint32_t used = entry_length(1) + entry_length(2);
  for (const auto& [name, entry] : folder.names) {
    const uint32_t length = entry_length(name.size());
    if (used + length > kEntrySpace) {
      ++blocks;
      used = 0;
    }
    used += length;
  }
  return blocks;
}

Result<Plan> Plan::make(Tree& tree) {
  constexpr std::string_view kLostAndFound = "lost+found";
  if (!tree.at(Tree::kRoot).names.contains(kLostAndFound)) {
    Node node;
    node.mode = S_IFDIR | 0700;
    node.mtime = tree.at(Tree::kRoot).mtime;
    if (auto added = tree.add(Tree::kRoot, std::string(kLostAndFound), std::move(node)); !added)
      return added.error();
  }
  Plan plan;
  plan.inode_of.assign(tree.size(), 0);
  std::vector<uint32_t> item_of(tree.size(), 0);
  plan.inode_of[Tree::kRoot] = kRootInode;
  plan.items.push_back({Tree::kRoot, kRootInode, kRootInode, 1, 0});
  uint32_t next = kFirstInode;
  for (size_t at = 0; at < plan.items.size(); ++at) {
    const Item folder = plan.items[at];
    const Node& node = tree.at(folder.node);
    if (node.size > kLargestFile)
      return Error{{}, fmt::format("a file of {}", format_size(node.size)), "too large for ext4"};
    plan.blocks += blocks_of(node);
    if (plan.blocks > kLargest / kBlock)
      return Error{
          {}, fmt::format("the files claim more than {}", format_size(kLargest)), "too large for ext4"};
    for (const auto& [name, entry] : node.names) {
      uint32_t& inode = plan.inode_of[entry.node];
      if (inode != 0) {
        if (++plan.items[item_of[entry.node]].names > kMostNames)
          return Error{name, fmt::format("has more than {} hard links", kMostNames),
                       "ext4 has no room for more"};
        continue;
      }
      inode = next++;
      item_of[entry.node] = static_cast<uint32_t>(plan.items.size());
      plan.items.push_back({entry.node, inode, folder.inode, 1, 0});
      if (tree.at(entry.node).is_folder()) ++plan.items[at].folders;
    }
  }
  plan.last_inode = next - 1;
  return plan;
}

Result<Shape> Shape::of(const Plan& plan, std::optional<uint64_t> size) {
  // One inode for 16 KiB, as mke2fs(8) has it, and a quarter more than there are.
  constexpr uint64_t kBytesPerInode = 16384;
  constexpr uint64_t kInodeSize = 256;
  const uint64_t content = plan.blocks * kBlock;
  const uint64_t least_inodes = uint64_t{plan.last_inode} + plan.last_inode / 4 + 16;
  Shape shape;
  if (size) {
    shape.bytes = *size / kBlock * kBlock;
    if (shape.bytes < kSmallest || shape.bytes > kLargest)
      return Error{"--size", fmt::format("{} is out of range", format_size(*size)),
                   fmt::format("{} to {}", format_size(kSmallest), format_size(kLargest))};
    const uint64_t needed = least_inodes * kInodeSize;
    if (needed > shape.bytes)
      return Error{"--size",
                   fmt::format("{} files do not fit into {}", plan.items.size(), format_size(*size)),
                   "give a larger size, or none"};
  } else {
    // ext4 has at most 8 inodes for each of its groups' blocks: never more than there are blocks here.
    shape.bytes = content + content / 4 + least_inodes * (kInodeSize + kBlock) + (64ULL << 20);
    shape.bytes = round_up(shape.bytes, 1 << 20);
    if (shape.bytes > kLargestUnasked)
      return Error{"--size", fmt::format("the source's files take {}", format_size(content)),
                   "give --size if an image as large as that is meant"};
  }
  shape.inodes = static_cast<uint32_t>(
      std::min<uint64_t>(std::max(least_inodes, shape.bytes / kBytesPerInode), 1U << 31));
  return shape;
}

}  // namespace sandstone::image
