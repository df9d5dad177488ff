#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "probe/report.h"

namespace sandstone::probe {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kAttemptKinds[] = {"allowed",  "own",       "refused",       "without-effect",
                                         "signaled", "timed-out", "not-applicable"};
constexpr const char* kBlockerKinds[] = {"none",      "no-control",    "decisive", "joint",
                                         "redundant", "not-separable", "combined"};
constexpr const char* kExperimentKinds[] = {"tier", "without", "alone", "base", "search"};

template <typename Kind, size_t N>
Kind kind_of(const std::string& text, const char* const (&names)[N]) {
  for (size_t i = 0; i < N; ++i)
    if (text == names[i]) return static_cast<Kind>(i);
  throw std::invalid_argument(fmt::format("'{}' is not a kind", text));
}

template <typename Kind, size_t N>
const char* name_of(Kind kind, const char* const (&names)[N]) {
  return names[static_cast<size_t>(kind)];
}

Column column_of(const std::string& text) {
  if (const auto column = parse_column(text)) return *column;
  throw std::invalid_argument(fmt::format("'{}' is not a tier", text));
}

Json json_of(const Experiment& experiment) {
  Json json{{"label", experiment.label()}, {"kind", name_of(experiment.kind, kExperimentKinds)}};
  if (experiment.kind == Experiment::Kind::tier || experiment.kind == Experiment::Kind::without)
    json["tier"] = to_string(experiment.tier);
  if (!experiment.wall.empty()) json["wall"] = experiment.wall;
  if (!experiment.base.empty()) json["base"] = experiment.base;
  if (!experiment.carriers.empty()) json["carriers"] = experiment.carriers;
  if (experiment.run)
    json["walls"] = experiment.run->walls;
  else
    json["not_run"] = experiment.why_not;
  return json;
}

Experiment experiment_of(const Json& json) {
  Experiment experiment;
  experiment.kind = kind_of<Experiment::Kind>(json.at("kind"), kExperimentKinds);
  if (json.contains("tier")) experiment.tier = column_of(json.at("tier"));
  experiment.wall = json.value("wall", "");
  experiment.base = json.value("base", WallSet{});
  experiment.carriers = json.value("carriers", WallSet{});
  if (json.contains("walls")) experiment.run = Run{json.at("walls").get<WallSet>(), {}};
  experiment.why_not = json.value("not_run", "");
  return experiment;
}

Json json_of(const Row& row, const Column& tier, const Cell& cell) {
  Json json{{"result", cell.attempt.word()}, {"kind", name_of(cell.attempt.kind, kAttemptKinds)}};
  if (cell.attempt.number != 0) json["number"] = cell.attempt.number;
  if (!cell.attempt.detail.empty()) json["detail"] = cell.attempt.detail;
  json["blocker"] = {{"kind", name_of(cell.blocker.kind, kBlockerKinds)}, {"walls", cell.blocker.walls}};
  if (!cell.blocker.together.empty()) json["blocker"]["together"] = cell.blocker.together;
  json["blocker"]["text"] = cell.blocker.text();
  json["promised"] = row.promised && tier.tier >= *row.promised;
  json["broken"] = row.promise_broken(tier);
  return json;
}

Cell cell_of(const Json& json) {
  Cell cell;
  cell.attempt = {kind_of<Attempt::Kind>(json.at("kind"), kAttemptKinds), json.value("number", 0),
                  json.value("detail", "")};
  cell.blocker = {kind_of<Blocker::Kind>(json.at("blocker").at("kind"), kBlockerKinds),
                  json.at("blocker").at("walls").get<WallSet>(),
                  json.at("blocker").value("together", WallSet{})};
  return cell;
}

Json json_of(const Row& row) {
  Json json{
      {"name", row.operation.name}, {"area", row.operation.area}, {"description", row.operation.description}};
  json["promised_from"] = row.promised ? Json(to_string(*row.promised)) : Json(nullptr);
  json["control"] = {{"found", row.control.found}};
  if (row.control.found)
    json["control"]["where"] = row.control.where;
  else
    json["control"]["reason"] = row.control.reason;
  json["tiers"] = Json::object();
  for (const auto& [tier, cell] : row.cells) json["tiers"][to_string(tier)] = json_of(row, tier, cell);
  json["trials"] = row.trials;
  return json;
}

Row row_of(const Json& json) {
  Row row;
  row.operation = {json.at("name"), json.at("area"), json.at("description")};
  if (!json.at("promised_from").is_null()) row.promised = column_of(json.at("promised_from")).tier;
  const Json& control = json.at("control");
  row.control = {control.at("found").get<bool>(), control.value("where", ""), control.value("reason", "")};
  for (const auto& [name, cell] : json.at("tiers").items()) row.cells[column_of(name)] = cell_of(cell);
  row.trials = json.at("trials").get<std::vector<std::string>>();
  return row;
}

Json json_of(const Summary& s) {
  return {
      {"operations", s.operations}, {"allowed", s.allowed},   {"stopped", s.stopped}, {"own", s.own},
      {"no_control", s.no_control}, {"promised", s.promised}, {"kept", s.kept},       {"broken", s.broken},
      {"untried", s.untried}};
}

}  // namespace

std::string to_json(const Report& report) {
  Json json{{"sandstone", report.version},         {"kernel", report.kernel},
            {"machine", report.machine},           {"caller_uid", report.caller_uid},
            {"workload_uid", report.workload_uid}, {"started", report.started}};
  for (const Column& tier : report.tiers) json["tiers"].push_back(to_string(tier));
  for (const Column& tier : report.tiers) json["summary"][to_string(tier)] = json_of(summarise(report, tier));
  json["broken_promises"] = report.broken_promises();
  json["operations"] = Json::array();
  for (const Row& row : report.rows) json["operations"].push_back(json_of(row));
  json["experiments"] = Json::array();
  for (const Experiment& experiment : report.experiments) json["experiments"].push_back(json_of(experiment));
  // Whatever an attempt said of a hostile name must not make the report unreadable.
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

Result<Report> from_json(const std::string& text) try {
  const Json json = Json::parse(text);
  Report report;
  report.version = json.at("sandstone");
  report.kernel = json.at("kernel");
  report.machine = json.at("machine");
  report.caller_uid = json.at("caller_uid");
  report.workload_uid = json.at("workload_uid");
  report.started = json.at("started");
  for (const auto& tier : json.at("tiers")) report.tiers.push_back(column_of(tier));
  for (const auto& row : json.at("operations")) report.rows.push_back(row_of(row));
  for (const auto& experiment : json.at("experiments"))
    report.experiments.push_back(experiment_of(experiment));
  return report;
} catch (const std::exception& problem) {
  return Error{"probe report", problem.what(), "give a file that `sandstone probe --json` wrote"};
}

}  // namespace sandstone::probe
