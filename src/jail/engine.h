// The jail: the engine of the tiers that share the host's kernel.
#pragma once

#include "engine/engine.h"

namespace sandstone::jail {

const engine::Engine& jail_engine();

}  // namespace sandstone::jail
