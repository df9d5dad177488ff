// The trail, a record of each call with what its arguments point to, in the ring of the thread's slot; and
// the slot's Counts.
#pragma once

#include "runtime/thread.h"

namespace sandstone::runtime {

inline bool is_watched() {
  return (boot.trace | boot.count) != 0;
}

// Makes the call by dispatch(); keeps its record, and counts it, as Boot says.
void dispatch_watched(Thread* thread, Context& context);

}  // namespace sandstone::runtime
