// Plan: what of a Tree the image holds, each with its inode's number, and how much room that takes.
#pragma once

#include <optional>
#include <vector>

#include "image/process/tree.h"

namespace sandstone::image {

inline constexpr uint32_t kBlock = 4096;

struct Plan {
  static constexpr uint32_t kRootInode = 2;
  static constexpr uint32_t kFirstInode = 11;  // lost+found's, if the content has none

  struct Item {
    NodeId node;
    uint32_t inode;
    uint32_t parent;   // inode of the folder that holds it: for "..", so of no meaning but for a folder
    uint32_t names;    // as many as lead to it
    uint32_t folders;  // in it
  };
  std::vector<Item> items;         // the root first; a folder before what it holds
  std::vector<uint32_t> inode_of;  // by NodeId; 0: nothing leads to it any more
  uint32_t last_inode = kFirstInode;
  uint64_t blocks = 0;  // that content, folders and attributes take, if no block is all zeros

  // Adds /lost+found, without which no ext4 is whole.
  static Result<Plan> make(Tree& tree);
};

// How large the image is to be, and for how many inodes. An Error if the plan does not fit into `size`.
struct Shape {
  uint64_t bytes = 0;
  uint32_t inodes = 0;

  static Result<Shape> of(const Plan& plan, std::optional<uint64_t> size);
};

// Of a folder with these names.
uint64_t folder_blocks(const Node& folder);

// The bytes of a folder's entry with a name of this length.
constexpr uint32_t entry_length(size_t name) {
  return static_cast<uint32_t>((8 + name + 3) & ~size_t{3});
}

// What there is for entries in a block: its end is a checksum.
inline constexpr uint32_t kEntrySpace = kBlock - 12;

}  // namespace sandstone::image
