#include <nlohmann/json.hpp>

#include "cli/outcome_text.h"
#include "observe/stats_text.h"

namespace sandstone::cli {
namespace {

using Json = nlohmann::ordered_json;

double seconds(std::chrono::nanoseconds time) {
  return static_cast<double>(time.count()) / 1e9;
}

// Names and paths come from the workload, and a kernel's path is any bytes at all. Pure ASCII: JSON leaves
// U+009B, the 8-bit escape sequence, and the marks that reverse a line as they are, and reports are looked at
// in terminals.
std::string text(const Json& json, int indent) {
  return json.dump(indent, ' ', true, Json::error_handler_t::replace) + "\n";
}

void add_denial(Json& out, const Denial& denial) {
  out["pid"] = denial.pid;
  out["wall"] = denial.wall;
  out["operation"] = denial.operation;
  out["subject"] = denial.subject;
  out["count"] = denial.count;
}

Json usage_json(const Usage& usage) {
  return {{"wall_seconds", seconds(usage.wall)},
          {"user_cpu_seconds", seconds(usage.user_cpu)},
          {"system_cpu_seconds", seconds(usage.system_cpu)},
          {"peak_memory_bytes", usage.peak_memory_bytes},
          {"peak_memory_is_total", usage.peak_memory_is_total},
          {"output_bytes", usage.output_bytes}};
}

Json mode_json(const RunSpec& spec) {
  const char* because = spec.syscall_mode != SyscallMode::automatic ? "it was asked for"
                        : spec.audit                                ? "auto, and an audit is asked for"
                                                                    : "auto, and no audit is asked for";
  return {{"chosen", to_string(spec.chosen_syscall_mode())}, {"because", because}};
}

}  // namespace

std::string outcome_json(const RunSpec& spec, const Outcome& outcome) {
  Json out = Json::object();
  if (!spec.name.empty()) out["name"] = spec.name;
  out["cause"] = to_string(outcome.cause);
  out["exit_status"] = outcome.exit_status;
  out["signal"] = outcome.cause == Cause::signaled ? Json(outcome.signal) : Json(nullptr);
  out["tier"] = to_string(outcome.tier);
  out["walls"] = outcome.walls;
  if (outcome.tier == Tier::kernel) out["syscall_mode"] = mode_json(spec);
  out["missing"] = Json::array();
  for (const auto& missing : outcome.missing)
    out["missing"].push_back(
        {{"wall", missing.wall}, {"reason", missing.reason}, {"remedy", missing.remedy}});
  out["limits_hit"] = outcome.limits_hit;
  out["usage"] = usage_json(outcome.usage);
  if (outcome.stats) out["stats"] = Json::parse(observe::stats_json(*outcome.stats));
  out["denials"] = Json::array();
  for (const auto& denial : outcome.denials) {
    Json entry = {{"time", seconds(denial.since_start)}};
    add_denial(entry, denial);
    out["denials"].push_back(std::move(entry));
  }
  out["denials_dropped"] = outcome.denials_dropped;
  const Error& error = outcome.error;
  const bool has_error = !error.where.empty() || !error.what.empty();
  out["error"] = has_error ? Json{{"where", error.where}, {"what", error.what}, {"remedy", error.remedy}}
                           : Json(nullptr);
  return text(out, 2);
}

std::string event_json(const Event& event) {
  Json out = {{"time", seconds(event.since_start)}, {"kind", to_string(event.kind)}};
  if (event.kind == Event::Kind::denial)
    add_denial(out, event.denial);
  else if (!event.text.empty())
    out["text"] = event.text;
  return text(out, -1);
}

std::string dropped_events_json(std::chrono::nanoseconds since_start, uint64_t count) {
  return text({{"time", seconds(since_start)}, {"kind", "dropped"}, {"count", count}}, -1);
}

}  // namespace sandstone::cli
