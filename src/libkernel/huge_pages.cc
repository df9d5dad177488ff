#include "libkernel/huge_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "libkernel/futex.h"
#include "libkernel/image.h"

namespace sandstone::libkernel {
namespace {

constexpr uint64_t kMask = ~uint64_t{LIB_HUGE_PAGE - 1};
constexpr uint64_t kFront = 18ULL << 20;
constexpr uint8_t kTries = 4;
constexpr int kPause = 20;    // milliseconds between two tries
constexpr size_t kAhead = 8;  // blocks at most

// Where memory is short, small pages waste less.
bool worth_it(uint64_t size) {
  return size >= 16 * kFront;
}

// Of the kernel's table of pages, 1/64 of all of them; other early tables come before it.
uint64_t table(uint64_t size, uint64_t window) {
  return (size - (size + window) / 64 - LIB_HUGE_PAGE) & kMask;
}

}  // namespace

bool collapse_pages(std::byte* at, size_t size) {
  constexpr int kCollapse = 25;  // MADV_COLLAPSE, linux/mman.h
  for (size_t done = 0; done < size; done += LIB_HUGE_PAGE)
    // Only what has a page already can get a huge one. Reading makes one, and harms nobody who is using it.
    static_cast<void>(*static_cast<volatile std::byte*>(at + done));
  return ::madvise(at, size, kCollapse) == 0 || errno != EAGAIN;
}

void put_huge_pages(std::byte* memory, uint64_t size, uint64_t window) {
  if (!worth_it(size)) return;
  collapse_pages(memory, kFront);
  const uint64_t from = table(size, window);
  collapse_pages(memory + from, (size & kMask) - from);
}

HugePages::HugePages(const Image& image)
    : memory_(image.memory()),
      shared_(image.header().shared),
      used_(image.header().used),
      tries_(worth_it(image.memory_size()) ? table(image.memory_size(), image.window_size()) / LIB_PAGE_BLOCK
                                           : 0,
             kTries) {
  std::fill_n(tries_.begin(), std::min(tries_.size(), kFront / LIB_PAGE_BLOCK), uint8_t{0});
}

void HugePages::run() {
  for (;;) {
    const uint32_t seen = shared_word(shared_->blocks);
    bool again = false;
    for (size_t block = 0; block < tries_.size(); ++block)
      if (tries_[block] > 0 && std::atomic_ref<uint8_t>(used_[block]) != 0 && !put(block)) again = true;
    futex_wait(shared_->blocks, seen, again ? kPause : -1);
  }
}

bool HugePages::put(size_t block) {
  const bool first = tries_[block] == kTries;
  --tries_[block];
  if (collapse_pages(memory_ + block * LIB_PAGE_BLOCK, LIB_PAGE_BLOCK)) tries_[block] = 0;
  if (first) put_ahead(block);
  return tries_[block] == 0;
}

// The kernel takes one after the other, faster than this where it fills them with files. So the more it has taken, the
// further ahead it gets them, as one that nothing is in yet costs next to nothing.
void HugePages::put_ahead(size_t block) {
  const size_t most = std::min(found_++, kAhead);
  const size_t from = block + 1;
  size_t to = from;
  while (to < tries_.size() && to - from < most && tries_[to] == kTries) tries_[to++] = 0;
  if (to > from) collapse_pages(memory_ + from * LIB_PAGE_BLOCK, (to - from) * LIB_PAGE_BLOCK);
}

}  // namespace sandstone::libkernel
