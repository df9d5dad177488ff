// The tree of files that the first guest sees, made by calls of process 1's.
#pragma once

#include <sandstone/result.h>

#include "kernel/options.h"
#include "kernel/task.h"

namespace sandstone::kernel {

// Process 1's root becomes the jail's view below a layer of memory, or a disk's file system.
Result<void> make_root(Task& init, const Options& options);
// What is mounted in it: the library kernel's own /proc, /sys and /dev, and volumes.
Result<void> fill_root(Task& init, const Options& options);

}  // namespace sandstone::kernel
