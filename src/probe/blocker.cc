#include "probe/blocker.h"

#include <algorithm>

namespace sandstone::probe {
namespace {

using Kind = Experiment::Kind;

bool contains(const WallSet& set, const std::string& wall) {
  return std::find(set.begin(), set.end(), wall) != set.end();
}

const Attempt* attempt_in(const Experiment& experiment, const std::string& operation) {
  if (!experiment.run) return nullptr;
  const auto found = experiment.run->attempts.find(operation);
  return found == experiment.run->attempts.end() ? nullptr : &found->second;
}

bool allowed_in(const Experiment& experiment, const std::string& operation) {
  const Attempt* attempt = attempt_in(experiment, operation);
  return attempt != nullptr && attempt->allowed();
}

bool stopped_in(const Experiment& experiment, const std::string& operation) {
  const Attempt* attempt = attempt_in(experiment, operation);
  return attempt != nullptr && attempt->stopped();
}

// The run that shows what the operation does behind the walls of `base` and no more.
const Experiment* base_of(const WallSet& base, const std::vector<Experiment>& experiments) {
  const Experiment* bare = nullptr;
  for (const Experiment& experiment : experiments) {
    if (experiment.kind == Kind::base && experiment.base == base) return &experiment;
    if (base.empty() && experiment.kind == Kind::tier && experiment.tier == Tier::none) bare = &experiment;
  }
  return bare;
}

// A wall stops an operation alone if the operation succeeds without it and is stopped with it, all else
// equal.
bool stops_alone(const std::string& wall, const std::string& operation,
                 const std::vector<Experiment>& experiments) {
  return std::any_of(experiments.begin(), experiments.end(), [&](const Experiment& experiment) {
    if (experiment.kind != Kind::alone || experiment.wall != wall || !stopped_in(experiment, operation))
      return false;
    const Experiment* base = base_of(experiment.base, experiments);
    return base != nullptr && allowed_in(*base, operation);
  });
}

// Among what the search found: the fewest walls of the tier that stop the operation together, without
// `known`.
WallSet found_together(const std::string& operation, const WallSet& tier_walls, const WallSet& known,
                       const std::vector<Experiment>& experiments) {
  WallSet best;
  for (const Experiment& experiment : experiments) {
    if (experiment.kind != Kind::search || !stopped_in(experiment, operation)) continue;
    const bool fits = std::all_of(
        experiment.base.begin(), experiment.base.end(),
        [&](const std::string& wall) { return contains(tier_walls, wall) && !contains(known, wall); });
    WallSet working;
    for (const std::string& wall : experiment.base)
      if (!contains(experiment.carriers, wall)) working.push_back(wall);
    if (fits && (best.empty() || working.size() < best.size())) best = working;
  }
  return best;
}

}  // namespace

Control find_control(const std::string& operation, const std::vector<Experiment>& experiments) {
  const Experiment* best = nullptr;
  const Attempt* bare = nullptr;
  for (const Experiment& experiment : experiments) {
    if (experiment.kind == Kind::tier && experiment.tier == Tier::none)
      bare = attempt_in(experiment, operation);
    if (allowed_in(experiment, operation) &&
        (best == nullptr || experiment.run->walls.size() < best->run->walls.size()))
      best = &experiment;
  }
  if (bare != nullptr && bare->allowed()) return {true, to_string(Tier::none), {}};
  if (best != nullptr) return {true, best->label(), {}};
  if (bare == nullptr) return {false, {}, "not tried on the bare host"};
  if (bare->kind == Attempt::Kind::not_applicable) return {false, {}, bare->detail};
  return {false, {}, bare->detail.empty() ? bare->word() : bare->word() + ": " + bare->detail};
}

const Experiment* find_base(const std::string& operation, const std::vector<Experiment>& experiments) {
  const Experiment* best = nullptr;
  for (const Experiment& experiment : experiments) {
    const bool base =
        experiment.kind == Kind::base || (experiment.kind == Kind::tier && experiment.tier == Tier::none);
    if (!base || !allowed_in(experiment, operation)) continue;
    if (best == nullptr || experiment.base.size() < best->base.size()) best = &experiment;
  }
  return best;
}

Blocker find_blocker(const std::string& operation, const Column& tier,
                     const std::vector<Experiment>& experiments) {
  const auto whole = std::find_if(experiments.begin(), experiments.end(), [&](const Experiment& e) {
    return e.kind == Kind::tier && e.tier == tier;
  });
  if (whole == experiments.end() || !stopped_in(*whole, operation)) return {};
  if (!find_control(operation, experiments).found) return {Blocker::Kind::no_control, {}, {}};

  // Without an ablation there is nothing to tell it from.
  if (std::none_of(experiments.begin(), experiments.end(),
                   [&](const Experiment& e) { return e.kind == Kind::without && e.tier == tier; }))
    return {};

  WallSet decisive;
  WallSet alone;
  WallSet not_separable;
  for (const std::string& wall : whole->run->walls) {
    const auto without = std::find_if(experiments.begin(), experiments.end(), [&](const Experiment& e) {
      return e.kind == Kind::without && e.tier == tier && e.wall == wall;
    });
    const bool told =
        without != experiments.end() && (allowed_in(*without, operation) || stopped_in(*without, operation));
    if (!told)
      not_separable.push_back(wall);
    else if (allowed_in(*without, operation))
      decisive.push_back(wall);
    if (stops_alone(wall, operation, experiments)) alone.push_back(wall);
  }
  if (decisive.size() == 1) return {Blocker::Kind::decisive, decisive, {}};
  if (!decisive.empty()) return {Blocker::Kind::joint, decisive, {}};
  if (alone.size() > 1) return {Blocker::Kind::redundant, alone, {}};
  // One wall stops it alone. Had taking it away changed nothing, another combination would stop it as well.
  if (alone.size() == 1 && contains(not_separable, alone[0]))
    return {Blocker::Kind::not_separable, alone, {}};
  const WallSet together = found_together(operation, whole->run->walls, alone, experiments);
  if (alone.empty() && together.empty() && !not_separable.empty())
    return {Blocker::Kind::not_separable, {}, {}};
  return {Blocker::Kind::combined, alone, together};
}

}  // namespace sandstone::probe
