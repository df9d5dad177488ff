// GuestMemory: the guest's RAM, as its devices see it.
//
// Another CPU writes this memory while we read it. So a value that a decision rests on is loaded once, by
// load() or copy_in(), into a private copy: a plain read may be compiled into two that differ.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sandstone::devices {

static_assert(std::endian::native == std::endian::little,
              "virtio is little-endian, and so is all of this room");

class GuestMemory {
 public:
  GuestMemory() = default;
  // A mapping that somebody else owns and that outlives every device on it: page-aligned, guest physical
  // address 0 at `base`. A file behind it must be sealed against shrinking (F_SEAL_SHRINK): a guest that cuts
  // it off would end this process with SIGBUS.
  GuestMemory(std::byte* base, uint64_t size) : base_(base), size_(size) {}

  // The bytes [address, address + length), or null if any of them lies outside.
  [[nodiscard]] std::byte* at(uint64_t address, uint64_t length) const {
    if (length > size_ || address > size_ - length) return nullptr;  // a sum could wrap around
    return base_ + address;
  }
  [[nodiscard]] uint64_t size() const { return size_; }

 private:
  std::byte* base_ = nullptr;
  uint64_t size_ = 0;
};

// One load of one aligned value.
template <typename T>
T load(const std::byte* from, int order = __ATOMIC_RELAXED) {
  return __atomic_load_n(reinterpret_cast<const T*>(from), order);
}

template <typename T>
void store(std::byte* to, T value, int order = __ATOMIC_RELAXED) {
  __atomic_store_n(reinterpret_cast<T*>(to), value, order);
}

// A private copy of guest memory. The barrier makes it one: without it the compiler may read the guest's
// bytes again later, where it reads `to`.
inline void copy_in(void* to, const void* from, size_t size) {
  if (size != 0) std::memcpy(to, from, size);
  asm volatile("" : : "r"(to) : "memory");
}

}  // namespace sandstone::devices
