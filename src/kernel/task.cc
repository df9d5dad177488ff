#include "kernel/task.h"

#include "libkernel/futex.h"

namespace sandstone::kernel {

lib_carrier* take_carrier(lib_header& header) {
  for (uint32_t i = 0; i < LIB_MAX_CARRIERS; ++i) {
    lib_carrier& carrier = header.carriers[i];
    uint32_t free = 0;
    if (libkernel::shared_word(carrier.used) != 0 ||
        !libkernel::shared_word(carrier.used).compare_exchange_strong(free, 1))
      continue;
    lib_carrier fresh{};
    fresh.id = i + 1;
    fresh.used = 1;
    fresh.vmalloc_generation = ~uint64_t{0};
    carrier = fresh;
    return &carrier;
  }
  return nullptr;
}

Task Task::adopt(lib_header& header, int pid) {
  lib_carrier* carrier = take_carrier(header);
  if (carrier != nullptr && header.bind(carrier, pid) < 0) {
    libkernel::shared_word(carrier->used) = 0;
    carrier = nullptr;
  }
  return {header, carrier};
}

int Task::clone(uint64_t flags) {
  return static_cast<int>(call(LIB_CALL_CLONE, flags, 0, 0));
}

}  // namespace sandstone::kernel
