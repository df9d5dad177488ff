// Makes rewritten text for guests, on their request (runtime.h, PatchTable).
#pragma once

#include <sandstone/result.h>

#include "base/fd.h"
#include "kernel/rewritten.h"
#include "kernel/task.h"
#include "runtime/runtime.h"

namespace sandstone::kernel {

// Maps the table, before the first guest. The file of patches, to be inherited by the guests; with room and a huge
// page for the first ones if it is `used`, which the rewriter counts on.
Result<Fd> make_patch_table(bool used);

// Answers for ever, on a thread of its own. `ahead` is asked first.
void start_rewriter(Task& init, int patches_fd, Entry entry, Ahead ahead);

}  // namespace sandstone::kernel
