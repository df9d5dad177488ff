// The host's system calls, raw.
#pragma once

#include <stdint.h>

#include "base/sys.h"

namespace sandstone::runtime {

using sys::word;

template <typename... Arguments>
long host(long number, Arguments... arguments) {
  return sys::call(number, static_cast<long>(arguments)...);
}

template <typename T = void>
T* pointer(uint64_t address) {
  return reinterpret_cast<T*>(address);
}

// errno's, as far as they are needed here.
enum : long {
  kEperm = 1,
  kEsrch = 3,
  kEintr = 4,
  kE2big = 7,
  kEagain = 11,
  kEnomem = 12,
  kEacces = 13,
  kEfault = 14,
  kEexist = 17,
  kEnodev = 19,
  kEinval = 22,
  kEnosys = 38,
  kEnotsup = 95,
  kErestart = 512,
};

inline constexpr uint64_t kPage = 4096;
constexpr uint64_t page_down(uint64_t value) {
  return value & ~(kPage - 1);
}
constexpr uint64_t page_up(uint64_t value) {
  return (value + kPage - 1) & ~(kPage - 1);
}

}  // namespace sandstone::runtime
