#include "probe/probe.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "probe/ablation.h"
#include "probe/canary.h"
#include "probe/sandbox_runner.h"
#include "probe/shelter.h"

namespace sandstone::probe {
namespace {

std::string now_utc() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

Result<Report> experiment(const Options& options, const std::string& program, const CanaryPlace& place,
                          const Shelter& shelter) {
  auto operations = list_operations(program);
  if (!operations) return operations.error();
  auto canary = Canary::start(program, place, shelter.own_namespaces);
  if (!canary) return canary.error();
  SandboxRunner runner(*canary);
  AblationPlan plan;
  plan.tiers = options.tiers;
  plan.walls = options.walls;
  plan.find_blockers = options.find_blockers;
  plan.ordinary_caller = ::geteuid() != 0;
  plan.progress = options.progress;
  auto experiments = ablate(runner, plan);
  if (!experiments) return experiments.error();

  Report report;
  utsname names{};
  ::uname(&names);
  report.version = SANDSTONE_VERSION;
  report.kernel = std::string(names.sysname) + " " + names.release;
  report.machine = names.machine;
  report.caller_uid = static_cast<int>(::geteuid());
  report.workload_uid = SandboxRunner::workload_uid();
  report.started = now_utc();
  for (const Column& tier : options.tiers) {
    const auto tried = [&](const Experiment& e) {
      return e.kind == Experiment::Kind::tier && e.tier == tier && e.run;
    };
    if (std::any_of(experiments->begin(), experiments->end(), tried)) report.tiers.push_back(tier);
  }
  report.rows = judge(*operations, *experiments, report.tiers);
  report.experiments = std::move(*experiments);
  return report;
}

}  // namespace

Result<Report> run(const Options& options) {
  if (options.tiers.empty()) return Error{"--tier", "no tier to probe", {}};
  auto program = find_program();
  if (!program) return program.error();
  Interruption interruption;
  auto place = CanaryPlace::make();
  if (!place) return place.error();
  auto text = in_shelter(interruption, [&](const Shelter& shelter) -> Result<std::string> {
    auto report = experiment(options, *program, *place, shelter);
    if (!report) return report.error();
    return to_json(*report);
  });
  place->sweep();
  if (!text) return text.error();
  return from_json(*text);
}

}  // namespace sandstone::probe
