#include "cli/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cli/help.h"
#include "cli/output.h"
#include "spec/config_nearest.h"

namespace sandstone::cli {
namespace {

int version_command(Words words) {
  if (!words.empty()) return fail(Error{"version", fmt::format("'{}' is one word too many", words[0]), {}});
  return print("sandstone " SANDSTONE_VERSION "\n");
}

int help_command(Words words) {
  if (words.empty()) return print(overview());
  char help[] = "--help";
  std::vector<char*> again{words[0], help};
  return dispatch(again);
}

constexpr Command kCommands[] = {
    {"run", "run a program behind walls", run_command},
    {"probe", "try what hostile code would, and show which wall stops it", probe_command},
    {"bench", "measure what each tier costs, beside the bare host", bench_command},
    {"doctor", "tell what this host can do, and the remedy for what it cannot", doctor_command},
    {"image", "make a disk image from a folder, an archive or a container image", image_command},
    {"version", "print the version", version_command},
    {"help", "explain a command: sandstone help run", help_command},
};

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

int dispatch(Words words) {
  if (words.empty()) return fail(Error{"command", "none given", "'sandstone help' lists them"});
  const std::string_view name = words[0];
  if (name == "--help" || name == "-h") return print(overview());
  if (name == "--version") return print("sandstone " SANDSTONE_VERSION "\n");
  const auto* found = std::find_if(std::begin(kCommands), std::end(kCommands),
                                   [&](const Command& c) { return c.name == name; });
  if (found != std::end(kCommands)) return found->run(words.subspan(1));
  std::vector<std::string_view> names;
  for (const auto& command : kCommands) names.push_back(command.name);
  const auto near = nearest(name, names);
  return fail(Error{std::string(name), "unknown command",
                    near.empty() ? "'sandstone help' lists them" : fmt::format("did you mean '{}'?", near)});
}

}  // namespace sandstone::cli
