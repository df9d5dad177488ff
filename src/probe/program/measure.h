// What the benchmark runs inside.
#pragma once

namespace sandstone::probe_program {

// Prints "NAME NANOSECONDS" for a handful of system calls: the median over batches.
int measure_system_calls();

}  // namespace sandstone::probe_program
