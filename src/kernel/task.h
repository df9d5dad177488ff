// A task of the library kernel's whose calls this process makes.
#pragma once

#include <lib_abi.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace sandstone::kernel {

// The words of a call: numbers and pointers.
inline uint64_t argument(const void* pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}
inline uint64_t argument(const char* text) {
  return reinterpret_cast<uint64_t>(text);
}
inline uint64_t argument(std::nullptr_t) {
  return 0;
}
inline uint64_t argument(const std::string& text) {
  return argument(text.c_str());
}
template <typename T>
  requires(std::is_integral_v<T> || std::is_enum_v<T>)
uint64_t argument(T value) {
  return static_cast<uint64_t>(static_cast<int64_t>(value));
}

lib_carrier* take_carrier(lib_header& header);

class Task {
 public:
  Task(lib_header& header, lib_carrier* carrier) : header_(&header), carrier_(carrier) {}
  // Binds a new carrier to the task with that pid; carrier() is null if it cannot be.
  static Task adopt(lib_header& header, int pid);

  template <typename... Args>
  int64_t call(uint64_t number, const Args&... args) {
    uint64_t words[6] = {};
    unsigned at = 0;
    ((words[at++] = argument(args)), ...);
    const int64_t result =
        header_->enter(carrier_, number, words[0], words[1], words[2], words[3], words[4], words[5]);
    if (carrier_->status == LIB_SIGNAL) carrier_->status = LIB_RETURNED;
    return result;
  }
  // A new task from this one, as clone(2) with these flags; its pid in the first namespace, or -errno.
  int clone(uint64_t flags);

  [[nodiscard]] bool valid() const { return carrier_ != nullptr; }
  [[nodiscard]] lib_carrier* carrier() const { return carrier_; }
  [[nodiscard]] lib_header& header() const { return *header_; }

 private:
  lib_header* header_;
  lib_carrier* carrier_;
};

}  // namespace sandstone::kernel
