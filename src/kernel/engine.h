// The engine of the tier `kernel`: the jail of the tier `full`, and in it a Linux of the workload's own.
#pragma once

#include "engine/engine.h"

namespace sandstone::kernel {

const engine::Engine& kernel_engine();

}  // namespace sandstone::kernel
