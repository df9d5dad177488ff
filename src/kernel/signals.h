// The host's signals for the workload: the process that serves the devices, to which they are sent, hands
// them to the kernel's process, which sends them to the first guest by a call of process 1's.
#pragma once

#include "kernel/shared.h"
#include "kernel/streams.h"
#include "kernel/task.h"
#include "kernel/watch.h"

namespace sandstone::kernel {

// From here on this process and its children take no signal but those of their own faults, and SIGCHLD.
void hold_signals();
// The end of that, in a child.
void release_signals();
// A thread that puts what was held, and what comes, into `shared`, and lets `watch` look in between.
void collect_signals(Shared& shared, Watch watch);
// A thread that takes it out again, for the guest with that pid. The host's terminal has a new size:
// SIGWINCH.
void forward_signals(Shared& shared, Task& init, int guest, Streams& streams);

}  // namespace sandstone::kernel
