// Futexes in memory that the library kernel shares: not FUTEX_PRIVATE, as other processes may map it too.
#pragma once

#include <linux/futex.h>

#include <atomic>
#include <cstdint>

#include "base/sys.h"

namespace sandstone::libkernel {

inline std::atomic_ref<uint32_t> shared_word(uint32_t& word) {
  return std::atomic_ref<uint32_t>(word);
}

inline void futex_wake(uint32_t& word, int count = 1) {
  sys::call(SYS_futex, sys::word(&word), FUTEX_WAKE, count);
}

// Until a wake, or at once if `word` is not `value` any more. `milliseconds`, if not negative, bound the
// wait.
inline void futex_wait(uint32_t& word, uint32_t value, int milliseconds = -1) {
  timespec limit{milliseconds / 1000, (milliseconds % 1000) * 1'000'000L};
  sys::call(SYS_futex, sys::word(&word), FUTEX_WAIT, value, milliseconds < 0 ? 0 : sys::word(&limit));
}

}  // namespace sandstone::libkernel
