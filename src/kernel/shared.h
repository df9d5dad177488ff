// The words that the processes of one sandbox share besides the library kernel.
#pragma once

#include <cstdint>

#include "runtime/runtime.h"

namespace sandstone::kernel {

struct Shared {
  uint32_t devices_ready;  // futex: the kernel may boot
  uint32_t ended;          // the first program has, with this status of wait(2)
  int32_t wait_status;
  int32_t exec_error;     // errno, if it could not be executed
  uint32_t failed;        // the kernel's process has said why
  uint32_t signals_rung;  // futex: counts what has been put into `signals`
  uint64_t signals;       // of the host's, for the first program: bit n - 1 is signal n
  uint32_t owner[2];      // the ids that the files of volumes appear with
  runtime::Start start;
};

}  // namespace sandstone::kernel
