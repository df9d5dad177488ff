// Which wall stopped an operation, by ablation: never guessed from an errno.
#pragma once

#include "probe/report.h"

namespace sandstone::probe {

// The run in which the operation succeeded with the fewest walls: the bare host if it can be.
Control find_control(const std::string& operation, const std::vector<Experiment>& experiments);

// The run with the fewest walls, among those that single walls are compared with, in which the operation
// succeeded: an experiment of the kind `base`, or the tier `none`. Null: in none of them.
const Experiment* find_base(const std::string& operation, const std::vector<Experiment>& experiments);

// Looks at what happens when a wall is taken away from the tier's, and at what each stops alone.
Blocker find_blocker(const std::string& operation, const Column& tier,
                     const std::vector<Experiment>& experiments);

}  // namespace sandstone::probe
