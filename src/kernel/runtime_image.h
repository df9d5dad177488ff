// The guests' run-time in this process, for those that are forked from it.
#pragma once

#include <sandstone/result.h>

#include "runtime/runtime.h"

namespace sandstone::kernel {

// Maps it and the threads' slots. Its Boot is the caller's to fill in.
Result<const runtime::Header*> load_runtime();

}  // namespace sandstone::kernel
