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

bool contains(const WallSet& walls, const std::string& wall) {
  return std::find(walls.begin(), walls.end(), wall) != walls.end();
}

class Ablation {
 public:
  Ablation(Runner& runner, const AblationPlan& plan) : runner_(runner), plan_(plan) {}

  Result<std::vector<Experiment>> carry_out() {
    std::vector<Column> tiers{Tier::none};
    for (const Column& tier : plan_.tiers)
      if (tier != Tier::none) tiers.push_back(tier);
    for (const Column& tier : tiers)
      if (auto done = run_tier(tier); !done) return done.error();
    if (!plan_.find_blockers) return std::move(experiments_);

    const size_t whole = experiments_.size();
    run_bases();
    WallSet all;
    for (size_t i = 0; i < whole; ++i) {
      if (experiments_[i].tier.own_kernel()) continue;
      const WallSet walls = experiments_[i].run->walls;
      for (const std::string& wall : walls) {
        run_without(experiments_[i].tier, walls, wall);
        if (!contains(all, wall)) all.push_back(wall);
      }
    }
    for (const WallSet& base : bases_in_use())
      for (const std::string& wall : all) run_alone(wall, base);
    for (size_t i = 1; i < whole; ++i)
      if (!experiments_[i].tier.own_kernel()) explain(experiments_[i].tier);
    return std::move(experiments_);
  }

 private:
  Result<void> run_tier(const Column& tier) {
    Experiment experiment;
    experiment.tier = tier;
    announce(experiment);
    const bool replaced = plan_.walls && tier == plan_.tiers.back();
    auto run = replaced ? runner_.run(*plan_.walls) : runner_.run(tier);
    if (!run && tier.own_kernel() && plan_.tiers.size() > 1) {
      experiment.why_not = run.error().line();
      experiments_.push_back(std::move(experiment));
      return {};
    }
    if (!run) return run.error();
    if (!tier.own_kernel()) remembered_[sorted(run->walls)] = *run;
    experiment.run = std::move(*run);
    experiments_.push_back(std::move(experiment));
    return {};
  }

  void run_without(const Column& tier, const WallSet& walls, const std::string& wall) {
    Experiment experiment;
    experiment.kind = Experiment::Kind::without;
    experiment.tier = tier;
    experiment.wall = wall;
    WallSet rest;
    std::copy_if(walls.begin(), walls.end(), std::back_inserter(rest),
                 [&](const std::string& w) { return w != wall; });
    fill(experiment, rest);
    experiments_.push_back(std::move(experiment));
  }

  // What `alone` is compared with. An ordinary caller can do some things only in a user namespace: there the
  // bare host is no control, and the walls are compared on top of the namespaces that make the attempt
  // possible.
  void run_bases() {
    // The bare host is the tier `none`, unless that has walls as well (limits); then it is a run without any.
    if (!experiments_[0].run->walls.empty()) run_base({});
    if (!plan_.ordinary_caller) return;
    for (const WallSet& base : {WallSet{"user"}, WallSet{"user", "mount", "net", "pid", "ipc", "uts"}})
      run_base(base);
  }

  // Those that are the smallest control of some operation.
  [[nodiscard]] std::vector<WallSet> bases_in_use() const {
    std::vector<WallSet> used;
    for (const auto& [operation, attempt] : experiments_[0].run->attempts)
      if (const Experiment* base = find_base(operation, experiments_); base != nullptr)
        if (std::find(used.begin(), used.end(), base->base) == used.end()) used.push_back(base->base);
    return used;
  }

  // Some walls stand only on others; those then belong to both sides of the comparison.
  void run_alone(const std::string& wall, const WallSet& base) {
    static const std::vector<WallSet> kCarriers = {{},       {"mount"},         {"mount", "root"},
                                                   {"user"}, {"user", "mount"}, {"user", "mount", "root"}};
    Experiment experiment;
    experiment.kind = Experiment::Kind::alone;
    experiment.wall = wall;
    std::string why_not;  // of the first try: what the others lack as well is no news
    if (contains(base, wall)) return;
    for (const WallSet& carriers : kCarriers) {
      experiment.base = base;
      for (const std::string& carrier : carriers)
        if (!contains(base, carrier)) experiment.base.push_back(carrier);
      if (contains(experiment.base, wall)) continue;
      WallSet walls = experiment.base;
      walls.push_back(wall);
      if (!fill(experiment, walls)) {
        if (why_not.empty()) why_not = experiment.why_not;
        continue;
      }
      run_base(experiment.base);
      add_once(std::move(experiment));
      return;
    }
    experiment.base = base;
    experiment.why_not = why_not;
    add_once(std::move(experiment));
  }

  void run_base(const WallSet& base) {
    if (base.empty() && experiments_[0].run->walls.empty()) return;
    Experiment experiment;
    experiment.kind = Experiment::Kind::base;
    experiment.base = base;
    fill(experiment, base);
    add_once(std::move(experiment));
  }

  void add_once(Experiment experiment) {
    const bool known = std::any_of(experiments_.begin(), experiments_.end(), [&](const Experiment& e) {
      return e.kind == experiment.kind && e.wall == experiment.wall && e.base == experiment.base;
    });
    if (!known) experiments_.push_back(std::move(experiment));
  }

  // Some operations are stopped even without every wall that stops them alone: walls that each let them
  // through stop them together (a view without the host's /proc needs both a pid namespace and a root of its
  // own). A search by halving finds which; its runs answer for all operations at once.
  void explain(const Column tier) {
    const auto whole = std::find_if(experiments_.begin(), experiments_.end(), [&](const Experiment& e) {
      return e.kind == Experiment::Kind::tier && e.tier == tier;
    });
    const Run run = *whole->run;
    for (const auto& [operation, attempt] : run.attempts) {
      const Blocker blocker = find_blocker(operation, tier, experiments_);
      const bool unclear = blocker.kind == Blocker::Kind::not_separable && blocker.walls.empty();
      const bool partly = blocker.kind == Blocker::Kind::combined && blocker.together.empty();
      const Experiment* base = find_base(operation, experiments_);
      if ((!unclear && !partly) || base == nullptr) continue;
      WallSet rest;
      for (const std::string& wall : run.walls)
        if (!contains(blocker.walls, wall) && !contains(base->base, wall)) rest.push_back(wall);
      search(operation, base->base, rest);
    }
  }

  enum class Answer : uint8_t { stopped, let_through, impossible };

  Answer ask(const std::string& operation, const WallSet& base, const WallSet& walls) {
    Experiment experiment;
    experiment.kind = Experiment::Kind::search;
    experiment.base = base;
    experiment.base.insert(experiment.base.end(), walls.begin(), walls.end());
    const WallSet all = experiment.base;
    if (!fill(experiment, all)) return Answer::impossible;
    const auto found = experiment.run->attempts.find(operation);
    return found != experiment.run->attempts.end() && found->second.stopped() ? Answer::stopped
                                                                              : Answer::let_through;
  }

  // Takes walls away, half of them at a time and in the end one by one, as long as the operation stays
  // stopped.
  void search(const std::string& operation, const WallSet& base, WallSet walls) {
    if (ask(operation, base, walls) != Answer::stopped) return;
    WallSet carriers;
    for (size_t chunk = std::max<size_t>(1, walls.size() / 2); chunk > 0; chunk /= 2) {
      carriers = base;
      for (size_t begin = 0; begin < walls.size();) {
        const auto from = walls.begin() + static_cast<ptrdiff_t>(begin);
        const auto to = walls.begin() + static_cast<ptrdiff_t>(std::min(begin + chunk, walls.size()));
        WallSet fewer(walls.begin(), from);
        fewer.insert(fewer.end(), to, walls.end());
        const Answer answer = ask(operation, base, fewer);
        if (answer == Answer::impossible && chunk == 1) carriers.push_back(*from);
        if (answer == Answer::stopped)
          walls = fewer;
        else
          begin += chunk;
      }
    }
    Experiment experiment;
    experiment.kind = Experiment::Kind::search;
    experiment.base = base;
    experiment.base.insert(experiment.base.end(), walls.begin(), walls.end());
    experiment.carriers = carriers;
    if (fill(experiment, WallSet(experiment.base))) add_once(std::move(experiment));
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
      experiment.why_not = impossible_[key] =
          fmt::format("the walls that stood were {}", fmt::join(run->walls, ", "));
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
  std::map<WallSet, Run> remembered_;  // by sorted walls
  std::map<WallSet, std::string> impossible_;
};

}  // namespace

Result<std::vector<Experiment>> ablate(Runner& runner, const AblationPlan& plan) {
  return Ablation(runner, plan).carry_out();
}

std::vector<Row> judge(const std::vector<Operation>& operations, const std::vector<Experiment>& experiments,
                       const std::vector<Column>& tiers) {
  std::vector<Row> rows;
  for (const Operation& operation : operations) {
    Row row;
    row.operation = operation;
    row.promised = promise_for(operation.name);
    row.control = find_control(operation.name, experiments);
    for (const Experiment& experiment : experiments) {
      const auto found = experiment.run ? experiment.run->attempts.find(operation.name)
                                        : decltype(experiment.run->attempts.end()){};
      const bool tried = experiment.run && found != experiment.run->attempts.end();
      row.trials.push_back(tried ? found->second.word() : std::string());
      if (!tried || experiment.kind != Experiment::Kind::tier) continue;
      if (std::find(tiers.begin(), tiers.end(), experiment.tier) == tiers.end()) continue;
      row.cells[experiment.tier] = {found->second,
                                    find_blocker(operation.name, experiment.tier, experiments)};
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace sandstone::probe
