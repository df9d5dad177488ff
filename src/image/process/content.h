// What an image is made from. It is read twice: for what there is, which tells how large the image must be,
// and for the bytes, which then go straight to their place.
#pragma once

#include <sandstone/image.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "image/process/tree.h"

namespace sandstone::image {

// Takes the content of files, one after the other.
class ContentSink {
 public:
  ContentSink() = default;
  ContentSink(const ContentSink&) = delete;
  ContentSink& operator=(const ContentSink&) = delete;
  virtual ~ContentSink() = default;
  // False: nothing in the image has this content any more, and nothing else is called for it.
  virtual Result<bool> begin(uint32_t layer, uint64_t entry) = 0;
  virtual Result<void> write(uint64_t offset, std::span<const std::byte> bytes) = 0;
  virtual Result<void> end() = 0;
};

class Content {
 public:
  Content() = default;
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;
  virtual ~Content() = default;
  virtual Result<void> scan(Tree& tree) = 0;
  virtual Result<void> copy(ContentSink& sink) = 0;
};

struct Owners {
  ImageOwner owner = ImageOwner::keep;
  uint32_t uid = 0;  // the caller's
  uint32_t gid = 0;

  void apply(Node& node) const {
    const bool all = owner == ImageOwner::root;
    const bool own = owner == ImageOwner::map;
    if (all || (own && node.uid == uid)) node.uid = 0;
    if (all || (own && node.gid == gid)) node.gid = 0;
  }
};

}  // namespace sandstone::image
