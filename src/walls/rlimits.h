// What resource limits can do for the limits of a whole sandbox.
#pragma once

#include <sandstone/run_spec.h>

namespace sandstone::walls {

// Whether RLIMIT_NPROC counts the processes and threads of this run and no others: in a user namespace of its
// own, since Linux 5.14 (before, all of the user's processes on the host were counted together).
[[nodiscard]] bool rlimits_count_processes(const RunSpec& spec);

}  // namespace sandstone::walls
