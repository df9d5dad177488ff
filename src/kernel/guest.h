// The library kernel's own process: boots it, makes the tree and the first guest, and waits for the end.
#pragma once

#include "base/fd.h"
#include "kernel/options.h"
#include "kernel/shared.h"
#include "libkernel/image.h"

namespace sandstone::kernel {

// Never comes back. `shared` and the image are mapped by the process that serves the devices as well.
[[noreturn]] void run_kernel(Options options, libkernel::Image& image, Shared& shared);

}  // namespace sandstone::kernel
