// Process 1 as an executable that nobody can write to.
#pragma once

#include <sandstone/result.h>

#include "base/fd.h"

namespace sandstone::jail {

Result<Fd> sealed_init();

}  // namespace sandstone::jail
