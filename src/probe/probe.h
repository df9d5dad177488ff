// The probe: tries a couple of hundred things that hostile code would try, behind every wall and combination
// of walls that tells something, and reports what each wall stops.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "probe/report.h"

namespace sandstone::probe {

struct Options {
  std::vector<Column> tiers{columns().begin(), columns().end()};
  bool find_blockers = true;
  std::optional<WallSet> walls;  // in place of the walls of the last of `tiers`: a sabotaged tier, for tests
  std::function<void(const std::string&)> progress;  // called in another process: may print, must not record
};

// Must be called from a single-threaded process.
Result<Report> run(const Options& options);

}  // namespace sandstone::probe
