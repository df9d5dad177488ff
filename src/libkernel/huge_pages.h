// Huge pages for memory that many processes share: one fault in each instead of hundreds.
#pragma once

#include <lib_layout.h>
#include <sys/mman.h>

#include <cstddef>

namespace sandstone::libkernel {

// Below [at, at + size), shared memory that nothing was written to, on boundaries of LIB_HUGE_PAGE. Where the host
// has none (Linux before 6.1, memory in pieces) all works as well, with small pages, so errors are of no interest.
inline void collapse_pages(std::byte* at, size_t size) {
  constexpr int kCollapse = 25;  // MADV_COLLAPSE, linux/mman.h
  for (size_t done = 0; done < size;
       done += LIB_HUGE_PAGE)  // only what has a page already can get a huge one
    *static_cast<volatile std::byte*>(at + done) = std::byte{0};
  ::madvise(at, size, kCollapse);
}

}  // namespace sandstone::libkernel
