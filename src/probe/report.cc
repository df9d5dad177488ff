#include "probe/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

namespace sandstone::probe {

std::string Attempt::word() const {
  switch (kind) {
    case Kind::allowed:
      return "allowed";
    case Kind::own:
      return "own";
    case Kind::refused: {
      const char* name = ::strerrorname_np(number);
      return name != nullptr ? name : fmt::format("errno {}", number);
    }
    case Kind::without_effect:
      return "no effect";
    case Kind::signaled: {
      const char* name = ::sigabbrev_np(number);
      return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", number);
    }
    case Kind::timed_out:
      return "timeout";
    case Kind::not_applicable:
      return "not applicable";
  }
  return {};
}

std::string Experiment::label() const {
  switch (kind) {
    case Kind::tier:
      return to_string(tier);
    case Kind::without:
      return fmt::format("{} without {}", to_string(tier), wall);
    case Kind::alone:
      return base.empty() ? fmt::format("{} alone", wall)
                          : fmt::format("{} with {}", wall, fmt::join(base, " and "));
    case Kind::base:
    case Kind::search:
      return base.empty() ? "no wall at all" : fmt::format("only {}", fmt::join(base, " and "));
  }
  return {};
}

std::string Blocker::text() const {
  switch (kind) {
    case Kind::none:
      return {};
    case Kind::no_control:
      return "no control";
    case Kind::decisive:
    case Kind::joint:
      return fmt::format("{}", fmt::join(walls, " & "));
    case Kind::redundant:
      return fmt::format("{}", fmt::join(walls, " + "));
    case Kind::not_separable:
      return walls.empty() ? "not separable" : walls.front() + "*";
    case Kind::combined: {
      const std::string rest =
          together.empty() ? "several together" : fmt::format("{}", fmt::join(together, " & "));
      return walls.empty() ? rest : fmt::format("{} + {}", fmt::join(walls, " + "), rest);
    }
  }
  return {};
}

bool Row::promise_broken(const Column& tier) const {
  const auto cell = cells.find(tier);
  return promised && tier.tier >= *promised && cell != cells.end() && cell->second.attempt.allowed();
}

size_t Report::broken_promises() const {
  size_t count = 0;
  for (const Row& row : rows)
    count += static_cast<size_t>(std::count_if(tiers.begin(), tiers.end(),
                                               [&](const Column& tier) { return row.promise_broken(tier); }));
  return count;
}

Summary summarise(const Report& report, const Column& tier) {
  Summary summary;
  for (const Row& row : report.rows) {
    const auto found = row.cells.find(tier);
    if (found == row.cells.end()) continue;
    const Attempt& attempt = found->second.attempt;
    const bool promised = row.promised && tier.tier >= *row.promised;
    ++summary.operations;
    summary.allowed += attempt.allowed();
    summary.stopped += row.control.found && attempt.stopped();
    summary.own += row.control.found && attempt.kind == Attempt::Kind::own;
    summary.no_control += !row.control.found;
    summary.promised += promised;
    summary.kept += promised && row.control.found && attempt.stopped();
    summary.broken += row.promise_broken(tier);
    summary.untried += promised && !row.control.found;
  }
  return summary;
}

}  // namespace sandstone::probe
