#include "libkernel/clock.h"

#include <cpuid.h>
#include <time.h>
#include <x86intrin.h>

namespace sandstone::libkernel {
namespace {

uint64_t nanoseconds(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// Intel SDM vol. 3 ch. 18.17, AMD APM vol. 3 app. E: the counter runs at one rate in all states.
bool counter_is_constant() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1U << 8)) != 0;
}

}  // namespace

ClockReading read_clock() {
  ClockReading best;
  uint64_t width = UINT64_MAX;
  for (int i = 0; i < 8; ++i) {
    const uint64_t before = __rdtsc();
    const uint64_t now = nanoseconds(CLOCK_MONOTONIC);
    const uint64_t after = __rdtsc();
    if (after - before >= width) continue;
    width = after - before;
    best = {before + width / 2, now};
  }
  return best;
}

void set_clock(lib_boot& boot, const ClockReading& earlier) {
  ClockReading now = read_clock();
  boot.real_offset = static_cast<int64_t>(nanoseconds(CLOCK_REALTIME) - nanoseconds(CLOCK_MONOTONIC));
  if (!counter_is_constant()) return;
  // A millisecond apart: the error of some ten nanoseconds is then ten millionths, which the kernel corrects
  // later.
  while (now.nanoseconds - earlier.nanoseconds < 1'000'000) now = read_clock();
  boot.tsc_base = now.ticks;
  boot.tsc_nanoseconds = now.nanoseconds;
  boot.tsc_multiplier =
      static_cast<uint64_t>((static_cast<unsigned __int128>(now.nanoseconds - earlier.nanoseconds) << 32) /
                            (now.ticks - earlier.ticks));
}

}  // namespace sandstone::libkernel
