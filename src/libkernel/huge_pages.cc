#include "libkernel/huge_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "libkernel/futex.h"
#include "libkernel/image.h"

namespace sandstone::libkernel {
namespace {

constexpr uint64_t kImage = 22ULL << 20;  // with what boot takes, but for the table
constexpr uint8_t kTries = 4;
constexpr int kPause = 20;    // milliseconds between two tries
constexpr size_t kAhead = 8;  // blocks at most

// The kernel's table of pages, 1/64 of all of them, comes next to the image.
uint64_t front(uint64_t size, uint64_t window) {
  return (kImage + (size + window) / 64 + LIB_PAGE_BLOCK - 1) / LIB_PAGE_BLOCK * LIB_PAGE_BLOCK;
}

}  // namespace

bool collapse_pages(std::byte* at, size_t size) {
  constexpr int kCollapse = 25;  // MADV_COLLAPSE, linux/mman.h
  for (size_t done = 0; done < size; done += LIB_HUGE_PAGE)
    // Only what has a page already can get a huge one. Reading makes one, and harms nobody who is using it.
    static_cast<void>(*static_cast<volatile std::byte*>(at + done));
  return ::madvise(at, size, kCollapse) == 0 || errno != EAGAIN;
}

void collapse_file(int fd, uint64_t at, size_t size) {
  const size_t room = size + LIB_HUGE_PAGE;
  void* reserved = ::mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return;
  auto* to = static_cast<std::byte*>(reserved);
  to += -reinterpret_cast<uintptr_t>(to) % LIB_HUGE_PAGE;
  if (::mmap(to, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, static_cast<off_t>(at)) == to)
    collapse_pages(to, size);
  ::munmap(reserved, room);
}

void put_huge_pages(std::byte* memory, uint64_t size, uint64_t window) {
  if (size < LIB_LEAST_HUGE) return;
  collapse_pages(memory, front(size, window));
}

HugePages::HugePages(const Image& image)
    : memory_(image.memory()),
      shared_(image.header().shared),
      used_(image.header().used),
      tries_(image.memory_size() >= LIB_LEAST_HUGE ? image.memory_size() / LIB_PAGE_BLOCK : 0, kTries) {
  std::fill_n(tries_.begin(),
              std::min(tries_.size(), front(image.memory_size(), image.window_size()) / LIB_PAGE_BLOCK),
              uint8_t{0});
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
