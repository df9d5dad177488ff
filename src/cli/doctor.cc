#include "cli/doctor.h"

#include <fmt/format.h>
#include <sandstone/sandbox.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/output.h"

namespace sandstone::cli {
namespace {

constexpr Flag kJson{"json", 0, 0, "", "print the findings as JSON", Group::output};
constexpr Flag kHelp{"help", 'h', 0, "", "print this text", Group::output};

constexpr std::string_view kAbout =
    "Tries what this host can do for each tier and wall. The exit status is 0 if the default tier (full) "
    "works here, 1 "
    "if it does not.";

Outcome run_quietly(Tier tier) {
  auto spec = RunSpec::command({"/nonexistent/sandstone-doctor"}).with_tier(tier);
  auto sandbox = Sandbox::start(std::move(spec), {Stream::null, Stream::null, Stream::null});
  if (sandbox) return sandbox->wait();
  Outcome outcome;
  outcome.error = sandbox.error();
  return outcome;
}

}  // namespace

std::vector<TierFinding> try_tiers() {
  std::vector<TierFinding> tiers;
  for (const Tier tier : {Tier::none, Tier::ns, Tier::landlock, Tier::full}) {
    const Outcome outcome = run_quietly(tier);
    const bool works = outcome.cause == Cause::not_found;
    tiers.push_back({to_string(tier), works, works ? std::string() : outcome.error.line()});
  }
  return tiers;
}

int doctor_command(Words words) {
  const Flag* const flags[] = {&kJson, &kHelp};
  auto arguments = parse_arguments(flags, words);
  if (!arguments) return fail(arguments.error());
  bool json = false;
  for (const auto& argument : arguments->given) {
    if (argument.flag == &kHelp) return print(describe("sandstone doctor [--json]", kAbout, flags));
    if (argument.flag == &kJson) json = argument.value == "true";
  }
  if (!arguments->words.empty())
    return fail(Error{"doctor", fmt::format("'{}' is one word too many", arguments->words[0]), {}});

  const auto tiers = try_tiers();
  std::vector<Finding> findings;
  examine_walls(findings);
  examine_devices(findings);
  const int status = print(json ? doctor_json(tiers, findings) : doctor_text(tiers, findings));
  return status != 0 ? status : tiers.back().works ? 0 : 1;
}

}  // namespace sandstone::cli
