// The host's system calls, raw.
#pragma once

#include <stdint.h>
#include <sys/syscall.h>

namespace sandstone::runtime {

inline long host(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  long result = 0;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

template <typename T>
long word(T* pointer) {
  return reinterpret_cast<long>(pointer);
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

extern "C" void* memcpy(void* to, const void* from, unsigned long size);
extern "C" void* memset(void* to, int value, unsigned long size);

}  // namespace sandstone::runtime
