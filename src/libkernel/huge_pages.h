// Huge pages for memory that many processes share: one fault in each instead of hundreds, and fewer misses of the
// TLB. Where the host has none (Linux before 6.1, memory in pieces) all works as well, with small pages, so errors
// are of no interest.
#pragma once

#include <lib_abi.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sandstone::libkernel {

class Image;

// Below [at, at + size), shared memory on boundaries of LIB_HUGE_PAGE. Takes 0.1 ms for each that is empty, and as
// many as 4 ms for one that is in use. False: for some it may work another time.
bool collapse_pages(std::byte* at, size_t size);

// The same for [at, at + size) of a memory file, wherever it is mapped.
void collapse_file(int fd, uint64_t at, size_t size);

// Below what every process touches, in memory that nothing was written to: the image, the kernel's table of pages
// behind it, and what else boot allocates. It spares boot thousands of faults, and each process that joins some
// eighty.
void put_huge_pages(std::byte* memory, uint64_t size, uint64_t window);

// Goes on with it while the kernel runs: below each block of pages soon after its first one is used, and some ahead.
class HugePages {
 public:
  // After put_huge_pages() and before the first guest, who can write to the header.
  explicit HugePages(const Image& image);
  // Does not come back.
  [[noreturn]] void run();

 private:
  bool put(size_t block);  // false: to be tried again
  void put_ahead(size_t block);

  std::byte* memory_;
  lib_shared* shared_;
  uint8_t* used_;               // the kernel's, block by block
  std::vector<uint8_t> tries_;  // left, so that nobody can ask for more than there is
  size_t found_ = 0;            // blocks in use beyond the first memory
};

}  // namespace sandstone::libkernel
