#include "kernel/filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>

namespace sandstone::kernel {
namespace {

constexpr sock_filter load(uint32_t offset) { return {BPF_LD | BPF_W | BPF_ABS, 0, 0, offset}; }
constexpr sock_filter at_least(uint32_t value, uint8_t yes, uint8_t no) { return {BPF_JMP | BPF_JGE | BPF_K, yes, no, value}; }
constexpr sock_filter result(uint32_t value) { return {BPF_RET | BPF_K, 0, 0, value}; }

}  // namespace

Filter guest_filter(runtime::Mode mode) {
  static_cast<void>(mode);
  constexpr uint32_t kFirst = LIB_RUNTIME >> 32;
  constexpr uint32_t kLast = LIB_END >> 32;
  return Filter({
      load(offsetof(seccomp_data, instruction_pointer) + 4),
      at_least(kFirst, 0, 1),
      at_least(kLast, 0, 1),
      result(SECCOMP_RET_TRAP),
      result(SECCOMP_RET_ALLOW),
  });
}

}  // namespace sandstone::kernel
