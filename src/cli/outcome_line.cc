#include <fmt/format.h>

#include "base/text.h"
#include "base/units.h"
#include "cli/outcome_text.h"

namespace sandstone::cli {
namespace {

Error ending(const RunSpec& spec, const Outcome& outcome) {
  const Limits& limits = spec.limits;
  switch (outcome.cause) {
    case Cause::timeout:
      return {"timeout",
              limits.timeout ? fmt::format("ended after {}", format_duration(*limits.timeout)) : "ended",
              {}};
    case Cause::memory:
      return {"out of memory",
              limits.memory_bytes ? fmt::format("ended at the limit of {}", format_size(*limits.memory_bytes))
                                  : "ended by the kernel",
              "-m sets the limit"};
    case Cause::pids:
      return {"too many processes",
              limits.pids ? fmt::format("ended at the limit of {}", *limits.pids) : "ended",
              "--pids-limit sets the limit"};
    case Cause::output:
      return {"too much output",
              limits.output_bytes ? fmt::format("ended at the limit of {}", format_size(*limits.output_bytes))
                                  : "ended",
              "--output-limit sets the limit"};
    case Cause::killed:
      return {{}, "killed", {}};
    case Cause::exited:
    case Cause::signaled:
    case Cause::not_executable:
    case Cause::not_found:
    case Cause::failed:
      break;
  }
  return outcome.error;
}

}  // namespace

std::optional<std::string> outcome_line(const RunSpec& spec, const Outcome& outcome) {
  if (outcome.cause == Cause::exited || outcome.cause == Cause::signaled) return std::nullopt;
  Error error = ending(spec, outcome);
  if (error.where.empty() && error.what.empty()) error.what = to_string(outcome.cause);
  return error.line();
}

}  // namespace sandstone::cli
