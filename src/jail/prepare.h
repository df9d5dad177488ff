// Prepare: from a RunSpec to the walls that this host can raise for it, and what they share.
#pragma once

#include <sandstone/outcome.h>
#include <sandstone/result.h>

#include <vector>

#include "jail/launch.h"
#include "walls/setup.h"

namespace sandstone::jail {

struct Prepared {
  walls::Setup setup;
  WallList walls;
  std::vector<Missing> missing;  // with best_effort: what this host lacks
};

// Fails closed: a wall that is asked for and not there is an Error that names it, unless the spec says best_effort.
// `lost`: a wall that this host seemed to have, until it was tried.
Result<std::unique_ptr<Prepared>> prepare(const RunSpec& spec, const Missing* lost = nullptr);

}  // namespace sandstone::jail
