// What the library kernel needs to compute the host's monotonic clock from the time-stamp counter.
#pragma once

#include <lib_abi.h>

namespace sandstone::libkernel {

// A pair of readings, as close to each other as a few tries get them.
struct ClockReading {
  uint64_t ticks = 0;
  uint64_t nanoseconds = 0;  // CLOCK_MONOTONIC
};
ClockReading read_clock();

// Fills in the clock's part of `boot` from `earlier` and a reading made now; leaves the multiplier 0, so that
// the kernel asks the host each time, where the counter does not tick at one rate.
void set_clock(lib_boot& boot, const ClockReading& earlier);

}  // namespace sandstone::libkernel
