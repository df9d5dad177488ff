#include "probe/ablation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "probe/blocker.h"
#include "probe/promises.h"

namespace sandstone::probe {
namespace {

WallSet sorted(WallSet walls) {
  std::sort(walls.begin(), walls.end());
  return walls;
}

bool contains(const WallSet& walls, const std::string& wall) { return std::find(walls.begin(), walls.end(), wall) != walls.end(); }

class Ablation {
 public:
  Ablation(Runner& runner, const AblationPlan& plan) : runner_(runner), plan_(plan) {}

  Result<std::vector<Experiment>> carry_out() {
    std::vector<Tier> tiers{Tier::none};
    for (const Tier tier : plan_.tiers)
      if (tier != Tier::none) tiers.push_back(tier);
    for (const Tier tier : tiers)
      if (auto done = run_tier(tier); !done) return done.error();
    if (!plan_.find_blockers) return std::move(experiments_);

    const size_t whole = experiments_.size();
    WallSet all;
    for (size_t i = 1; i < whole; ++i) {
      const WallSet walls = experiments_[i].run->walls;
      for (const std::string& wall : walls) {
        run_without(experiments_[i].tier, walls, wall);
        if (!contains(all, wall)) all.push_back(wall);
      }
    }
    for (const std::string& wall : all) run_alone(wall);
    return std::move(experiments_);
  }

 private:
  Result<void> run_tier(Tier tier) {
    Experiment experiment;
    experiment.tier = tier;
    announce(experiment);
    const bool replaced = plan_.walls && tier == plan_.tiers.back();
    auto run = replaced ? runner_.run(*plan_.walls) : runner_.run(tier);
    if (!run) return run.error();
    remembered_[sorted(run->walls)] = *run;
    experiment.run = std::move(*run);
    experiments_.push_back(std::move(experiment));
    return {};
  }

  void run_without(Tier tier, const WallSet& walls, const std::string& wall) {
    Experiment experiment;
    experiment.kind = Experiment::Kind::without;
    experiment.tier = tier;
    experiment.wall = wall;
    WallSet rest;
    std::copy_if(walls.begin(), walls.end(), std::back_inserter(rest), [&](const std::string& w) { return w != wall; });
    fill(experiment, rest);
    experiments_.push_back(std::move(experiment));
  }

  // The walls that another may need below it, least first. For an ordinary caller almost every wall stands in a user
  // namespace; then what is compared is that namespace with and without the wall.
  void run_alone(const std::string& wall) {
    static const std::vector<WallSet> kBases = {{}, {"mount"}, {"mount", "root"}};
    static const std::vector<WallSet> kUserBases = {{"user"}, {"user", "mount"}, {"user", "mount", "root"}};
    const bool stands = run_alone_on(wall, kBases);
    if (!stands || plan_.ordinary_caller) run_alone_on(wall, kUserBases);
  }

  bool run_alone_on(const std::string& wall, const std::vector<WallSet>& bases) {
    Experiment experiment;
    experiment.kind = Experiment::Kind::alone;
    experiment.wall = wall;
    bool tried = false;
    for (const WallSet& base : bases) {
      if (contains(base, wall)) continue;
      tried = true;
      experiment.base = base;
      WallSet walls = base;
      walls.push_back(wall);
      if (!fill(experiment, walls)) continue;
      run_base(base);
      experiments_.push_back(std::move(experiment));
      return true;
    }
    if (tried) experiments_.push_back(std::move(experiment));
    return false;
  }

  void run_base(const WallSet& base) {
    if (base.empty()) return;
    for (const Experiment& experiment : experiments_)
      if (experiment.kind == Experiment::Kind::base && experiment.base == base) return;
    Experiment experiment;
    experiment.kind = Experiment::Kind::base;
    experiment.base = base;
    fill(experiment, base);
    experiments_.push_back(std::move(experiment));
  }

  bool fill(Experiment& experiment, const WallSet& walls) {
    const WallSet key = sorted(walls);
    if (const auto known = remembered_.find(key); known != remembered_.end()) {
      experiment.run = known->second;
      return true;
    }
    if (const auto known = impossible_.find(key); known != impossible_.end()) {
      experiment.why_not = known->second;
      return false;
    }
    announce(experiment);
    auto run = runner_.run(walls);
    if (!run) {
      experiment.why_not = impossible_[key] = run.error().line();
      return false;
    }
    if (sorted(run->walls) != key) {
      experiment.why_not = impossible_[key] = fmt::format("the walls that stood were {}", fmt::join(run->walls, ", "));
      return false;
    }
    remembered_[key] = *run;
    experiment.run = std::move(*run);
    experiment.why_not.clear();
    return true;
  }

  void announce(const Experiment& experiment) const {
    if (plan_.progress) plan_.progress(experiment.label());
  }

  Runner& runner_;
  const AblationPlan& plan_;
  std::vector<Experiment> experiments_;
  std::map<WallSet, Run> remembered_;           // by sorted walls
  std::map<WallSet, std::string> impossible_;
};

}  // namespace

Result<std::vector<Experiment>> ablate(Runner& runner, const AblationPlan& plan) { return Ablation(runner, plan).carry_out(); }

std::vector<Row> judge(const std::vector<Operation>& operations, const std::vector<Experiment>& experiments,
                       const std::vector<Tier>& tiers) {
  std::vector<Row> rows;
  for (const Operation& operation : operations) {
    Row row;
    row.operation = operation;
    row.promised = promise_for(operation.name);
    row.control = find_control(operation.name, experiments);
    for (const Experiment& experiment : experiments) {
      const auto found = experiment.run ? experiment.run->attempts.find(operation.name) : decltype(experiment.run->attempts.end()){};
      const bool tried = experiment.run && found != experiment.run->attempts.end();
      row.trials.push_back(tried ? found->second.word() : std::string());
      if (!tried || experiment.kind != Experiment::Kind::tier) continue;
      if (std::find(tiers.begin(), tiers.end(), experiment.tier) == tiers.end()) continue;
      row.cells[experiment.tier] = {found->second, find_blocker(operation.name, experiment.tier, experiments)};
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace sandstone::probe
