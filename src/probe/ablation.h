// Ablation: which runs it takes to tell what each wall stops.
#pragma once

#include <sandstone/result.h>

#include <functional>

#include "probe/report.h"

namespace sandstone::probe {

// Runs all operations behind some walls. The one real implementation is sandbox_runner.h.
class Runner {
 public:
  Runner() = default;
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  virtual ~Runner() = default;

  virtual Result<Run> run(const Column& column) = 0;
  // Fails, or gives a run with other walls, where the walls cannot stand without others.
  virtual Result<Run> run(const WallSet& walls) = 0;
};

struct AblationPlan {
  std::vector<Column> tiers;     // Tier::none, the control, is always run first
  std::optional<WallSet> walls;  // stand in for those of the last tier
  bool find_blockers = true;     // false: the tiers alone
  bool ordinary_caller = false;  // walls need a user namespace to stand in
  std::function<void(const std::string& label)> progress;
};

// Fails if a tier itself cannot be run, but for one of several that has a kernel of its own, which this build
// or host may lack. What stops an attempt there is that kernel; so no wall is taken away behind it. A set of
// walls that cannot be had is an experiment without a run.
Result<std::vector<Experiment>> ablate(Runner& runner, const AblationPlan& plan);

// The rows of the report: one for each operation.
std::vector<Row> judge(const std::vector<Operation>& operations, const std::vector<Experiment>& experiments,
                       const std::vector<Column>& tiers);

}  // namespace sandstone::probe
