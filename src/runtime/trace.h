// The trail: a record of each call, with what its arguments point to, in the ring of the thread's slot.
#pragma once

#include "runtime/thread.h"

namespace sandstone::runtime {

// Makes the call by dispatch(), and keeps its record.
void dispatch_traced(Thread* thread, Context& context);

}  // namespace sandstone::runtime
