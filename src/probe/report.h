// What a probe found: which operations were tried, behind which walls, with what result, and which wall it
// was that stopped each. Plain data; the renderers (render.h) and the JSON form (report_json.cc) look at
// nothing else.
#pragma once

#include <sandstone/result.h>
#include <sandstone/run_spec.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "probe/column.h"

namespace sandstone::probe {

using WallSet = std::vector<std::string>;

// What one operation met in one run.
struct Attempt {
  enum class Kind : uint8_t {
    allowed,         // gained, with evidence from the host's side
    own,             // gained, but of the kernel that the workload has to itself: the host's side saw nothing
    refused,         // errno `number`
    without_effect,  // nothing was refused, but what it reached was the sandbox's own
    signaled,        // ended by signal `number`
    timed_out,       // no end within two seconds
    not_applicable,  // could not be tried: `detail` says why
  };
  Kind kind = Kind::not_applicable;
  int number = 0;
  std::string detail;

  [[nodiscard]] bool allowed() const { return kind == Kind::allowed; }
  [[nodiscard]] bool stopped() const { return !allowed() && kind != Kind::not_applicable; }
  [[nodiscard]] std::string word()
      const;  // "allowed", "own", "EPERM", "SIGSYS", "no effect", "timeout", "not applicable"
};

// Every operation once, behind one set of walls.
struct Run {
  WallSet walls;  // in force
  std::map<std::string, Attempt> attempts;
};

// A run, or why it could not be had: some walls stand only on others.
struct Experiment {
  enum class Kind : uint8_t {
    tier,     // all the walls of `tier`
    without,  // all of them but `wall`
    alone,    // `wall` and those in `base`, without which this caller cannot raise it
    base,     // those in `base`: what `alone` is compared with
    search,   // those in `base`, found to be what else stops an operation
  };
  Kind kind = Kind::tier;
  Column tier = Tier::none;
  std::string wall;
  WallSet base;
  WallSet carriers;  // search: of `base`, those that are there only because another cannot stand without them
  std::optional<Run> run;
  std::string why_not;  // no run: the reason

  [[nodiscard]] std::string label() const;  // "full", "full without seccomp", "pid alone", "pid with user"
};

// Why an operation was stopped.
struct Blocker {
  enum class Kind : uint8_t {
    none,           // it was not stopped
    no_control,     // it never succeeded, in no run: nothing to learn from its failure
    decisive,       // take this wall away, and it succeeds
    joint,          // take any of these away, and it succeeds: only together do they stop it
    redundant,      // taking one away changes nothing; each of these stops it alone
    not_separable,  // this one, which this caller cannot take away to make sure; without a name, any of those
    combined,       // each of these stops it alone, if any, and so do those in `together`, together
  };
  Kind kind = Kind::none;
  WallSet walls;
  WallSet together;

  [[nodiscard]] std::string text() const;  // "seccomp", "a & b", "a + b", "a + b & c", "a*"
};

// That the attempt works at all where nothing stands in its way.
struct Control {
  bool found = false;
  std::string where;   // the label of the run in which it succeeded
  std::string reason;  // not found: what happened on the bare host
};

struct Cell {
  Attempt attempt;
  Blocker blocker;
};

struct Operation {
  std::string name;
  std::string area;
  std::string description;
};

struct Row {
  Operation operation;
  std::optional<Tier> promised;  // the lowest tier that promises to stop it
  Control control;
  std::map<Column, Cell> cells;
  std::vector<std::string>
      trials;  // Attempt::word() in each of Report::experiments; empty if that has no run

  [[nodiscard]] bool promise_broken(const Column& tier) const;
};

struct Report {
  std::string version;
  std::string kernel;
  std::string machine;
  int caller_uid = 0;
  int workload_uid = 0;
  std::string started;  // ISO 8601, UTC
  std::vector<Column> tiers;
  std::vector<Experiment> experiments;  // their runs' attempts are not kept in JSON: the trials tell the same
  std::vector<Row> rows;

  [[nodiscard]] size_t broken_promises() const;
};

struct Summary {
  size_t operations = 0, allowed = 0, stopped = 0, own = 0, no_control = 0, promised = 0, kept = 0,
         broken = 0, untried = 0;
};

// `own`: of what is stopped, what the workload had of its own kernel. `kept`: promised, with a control, and
// stopped. `untried`: promised, but without a control on this host.
Summary summarise(const Report& report, const Column& tier);

std::string to_json(const Report& report);
Result<Report> from_json(const std::string& text);

}  // namespace sandstone::probe
