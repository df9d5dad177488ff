#include <fmt/format.h>
#include <sandstone/image.h>
#include <sandstone/run_spec.h>

#include <algorithm>

namespace sandstone {
namespace {

// What an error shows of a word of the image's.
std::string shortened(const std::string& word) {
  constexpr size_t kMost = 60;
  return word.size() <= kMost ? word : word.substr(0, kMost) + "...";
}

}  // namespace

Result<void> apply_image_config(const ImageConfig& config, RunSpec& spec) {
  for (const std::string& entry : config.env) {
    const size_t equals = entry.find('=');
    if (equals == 0 || equals == std::string::npos)
      return Error{spec.disk_image, fmt::format("its config's Env holds '{}'", shortened(entry)),
                   "each is to be NAME=VALUE"};
    std::string name = entry.substr(0, equals);
    std::erase_if(spec.image_environment, [&](const auto& variable) { return variable.first == name; });
    spec.image_environment.emplace_back(std::move(name), entry.substr(equals + 1));
  }
  // Unlike docker's, words of the caller's are the whole command: what he names is what runs.
  if (spec.argv.empty()) {
    spec.argv = config.entrypoint;
    spec.argv.insert(spec.argv.end(), config.cmd.begin(), config.cmd.end());
    if (spec.argv.empty() || spec.argv[0].empty())
      return Error{spec.disk_image, "its config names no command", "name one: sandstone run ... -- CMD"};
  }
  if (spec.working_directory.empty() && !config.working_dir.empty())
    spec.working_directory = config.working_dir[0] == '/' ? config.working_dir : "/" + config.working_dir;
  if (!spec.user && spec.image_user.empty()) spec.image_user = config.user;
  return {};
}

}  // namespace sandstone
