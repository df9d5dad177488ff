// Mode::notify: calls go to the library kernel's process by a notification of the host's filter.

#include "runtime/dispatch.h"

namespace sandstone::runtime {

extern "C" long rt_notify(uint64_t slot);

namespace {

constexpr long kFutexWait = 0, kFutexWake = 1;
constexpr long kSetModeFilter = 1, kNewListener = 1 << 3, kWaitKillable = 1 << 5, kUnshare = 1 << 1;

lib_s64 enter(lib_carrier* carrier, lib_u64 number, lib_u64 a, lib_u64 b, lib_u64 c, lib_u64 d, lib_u64 e,
              lib_u64 f) {
  const uint64_t slot = reinterpret_cast<uint64_t>(carrier) & ~(kSlotSize - 1);
  *pointer<Request>(slot + kRequestAt) = {number, {a, b, c, d, e, f}, carrier->hold};
  return rt_notify((slot - kSlots) / kSlotSize);
}

}  // namespace

void leave_kernel(Start* start) {
  boot.kernel = nullptr;
  boot.kernel_text = boot.kernel_text_end = 0;
  boot.enter = enter;
  const uint64_t window = LIB_BASE + boot.memory_size;
  const uint64_t window_end = window + boot.window_size + kPage;  // with the page that is not there
  host(SYS_munmap, LIB_VMALLOC, LIB_VMALLOC_SIZE);
  host(SYS_munmap, LIB_BASE, boot.memory_size);
  host(SYS_munmap, window_end, LIB_KERNEL_END - window_end);
  host(SYS_mprotect, window, window_end - window, 0);  // it is there to be mapped from, elsewhere
  host(SYS_munmap, static_cast<long>(kPatches),
       static_cast<long>(LIB_END - kPatches));  // and the trace's rings
  const long listener = host(SYS_seccomp, kSetModeFilter, kNewListener | kWaitKillable, word(start->filter));
  __atomic_store_n(&start->listener, listener < 0 ? ~0U : static_cast<uint32_t>(listener) + 1,
                   __ATOMIC_RELEASE);
  host(SYS_futex, word(&start->listener), kFutexWake, 1);
  // From here on its descriptors are its own: none.
  if (listener < 0 || host(SYS_close_range, 0, ~0U, kUnshare) < 0) host(SYS_exit_group, 125);
  while (__atomic_load_n(&start->may_run, __ATOMIC_ACQUIRE) == 0)
    host(SYS_futex, word(&start->may_run), kFutexWait, 0);
}

void begin(Thread* thread, uint64_t task) {
  if (by_notification()) library(thread, kCallBegin, task, static_cast<uint64_t>(host(SYS_getpid)));
}

}  // namespace sandstone::runtime
