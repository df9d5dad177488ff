#include "cli/doctor.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/output.h"

namespace sandstone::cli {
namespace {

constexpr Flag kJson{"json", 0, 0, "", "print the findings as JSON", Group::output};
constexpr Flag kHelp{"help", 'h', 0, "", "print this text", Group::output};

// Each tier has the needs of the tiers before it.
struct Need {
  std::string_view tier;
  std::vector<std::string_view> names;
};

const std::vector<Need>& needs() {
  static const std::vector<Need> all = {
      {"none", {}},
      {"ns", {"user", "mount", "pid", "net", "ipc", "uts", "cgroup", "time", "root", "proc-mask", "memfd"}},
      {"landlock", {"landlock"}},
      {"full", {"seccomp"}}};
  return all;
}

}  // namespace

std::vector<TierFinding> judge_tiers(std::span<const Finding> findings) {
  std::vector<TierFinding> tiers;
  std::vector<std::string> lacking;
  for (const auto& need : needs()) {
    for (const auto name : need.names) {
      const auto found =
          std::find_if(findings.begin(), findings.end(), [&](const Finding& f) { return f.name == name; });
      if (found == findings.end() || found->level == Level::no) lacking.emplace_back(name);
    }
    tiers.push_back({need.tier, lacking});
  }
  return tiers;
}

int doctor_command(Words words) {
  const Flag* const flags[] = {&kJson, &kHelp};
  auto arguments = parse_arguments(flags, words);
  if (!arguments) return fail(arguments.error());
  bool json = false;
  for (const auto& argument : arguments->given) {
    if (argument.flag == &kHelp)
      return print(describe(
          "sandstone doctor [--json]",
          "Tries what this host can do for each tier and wall. The exit status is 0 if the default tier "
          "(full) works here, 1 if it does not.",
          flags));
    if (argument.flag == &kJson) json = argument.value == "true";
  }
  if (!arguments->words.empty())
    return fail(Error{"doctor", fmt::format("'{}' is one word too many", arguments->words[0]), {}});

  std::vector<Finding> findings;
  examine_namespaces(findings);
  examine_kernel(findings);
  examine_cgroup(findings);
  examine_devices(findings);
  const auto tiers = judge_tiers(findings);
  if (const int status = print(json ? doctor_json(tiers, findings) : doctor_text(tiers, findings));
      status != 0)
    return status;
  return tiers.back().lacking.empty() ? 0 : 1;
}

}  // namespace sandstone::cli
