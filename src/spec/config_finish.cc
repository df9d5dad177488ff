// The end of a draft: what the settings refer to is read, and the whole is checked.

#include <fmt/format.h>

#include <algorithm>

#include "base/fd.h"
#include "spec/config_draft.h"
#include "spec/config_user.h"

namespace sandstone {
namespace {

const Draft::Origin* origin_of(const Draft& draft, std::string_view slot) {
  const auto found = std::find_if(draft.origins.begin(), draft.origins.end(),
                                  [&](const Draft::Origin& o) { return o.setting->slot == slot; });
  return found == draft.origins.end() ? nullptr : &*found;
}

std::string place_of_slot(const Draft& draft, std::string_view slot) {
  const auto* origin = origin_of(draft, slot);
  return origin != nullptr ? place_of(draft, *origin) : std::string(slot);
}

// RunSpec::check() names flags. Whoever wrote the setting in a file, or by another name, is told of that one.
Error in_the_writers_words(const Draft& draft, Error error) {
  for (const Setting& setting : settings()) {
    const Flag& flag = setting.flag;
    const bool meant = error.where == setting.slot ||
                       (!flag.name.empty() && error.where == fmt::format("--{}", flag.name)) ||
                       (flag.letter != 0 && error.where == fmt::format("-{}", flag.letter));
    if (!meant) continue;
    if (const auto* origin = origin_of(draft, setting.slot); origin != nullptr)
      error.where = place_of(draft, *origin);
    break;
  }
  return error;
}

void set_variable(RunSpec& spec, std::string name, std::string value) {
  const auto known = std::find_if(spec.environment.begin(), spec.environment.end(),
                                  [&](const auto& v) { return v.first == name; });
  if (known != spec.environment.end()) {
    known->second = std::move(value);
  } else {
    spec.environment.emplace_back(std::move(name), std::move(value));
  }
}

// docker's format: NAME=VALUE or NAME on a line, taken as it stands; blank lines and lines that start with #
// are skipped.
Result<void> read_env_file(const std::string& path, RunSpec& spec) {
  auto content = read_file(path);
  if (!content) return content.error();
  size_t number = 0;
  for (size_t at = 0; at < content->size();) {
    const size_t end = std::min(content->find('\n', at), content->size());
    std::string line = content->substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    line.erase(0, line.find_first_not_of(" \t"));
    if (line.empty() || line[0] == '#') continue;
    const size_t equals = line.find('=');
    std::string name = line.substr(0, equals);
    if (name.empty() || line.find('\0') != std::string::npos ||
        name.find_first_of(" \t") != std::string::npos)
      return Error{fmt::format("{}:{}", path, number), fmt::format("'{}' is not a name for a variable", name),
                   "NAME=VALUE"};
    if (equals != std::string::npos) {
      set_variable(spec, std::move(name), line.substr(equals + 1));
    } else if (const char* value = ::getenv(name.c_str()); value != nullptr) {
      set_variable(spec, std::move(name), value);
    }
  }
  return {};
}

Result<void> check_forwards(const Draft& draft) {
  const auto& all = draft.spec.forwards;
  for (size_t i = 0; i < all.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (all[i].host_port == all[j].host_port && all[i].udp == all[j].udp &&
          all[i].host_address == all[j].host_address)
        return Error{place_of_slot(draft, "publish"),
                     fmt::format("the host's port {} is given twice", all[i].host_port),
                     "one forward for each"};
  return {};
}

}  // namespace

Result<RunSpec> finish(Draft draft) {
  RunSpec& spec = draft.spec;
  spec.interactive = draft.interactive.value_or(!spec.terminal);
  for (auto& variables : draft.variables) {
    for (const auto& path : variables.files)
      if (auto result = read_env_file(path, spec); !result) return result.error();
    for (auto& [name, value] : variables.named) set_variable(spec, name, value);
  }
  if (auto result = check_forwards(draft); !result) return result.error();
  if (auto result = spec.check(); !result) return in_the_writers_words(draft, result.error());
  // Names are the image's, which is read where it is mounted.
  const bool has_names = draft.user.find_first_not_of("0123456789:") != std::string::npos;
  if (has_names && !spec.disk_image.empty()) {
    spec.image_user = draft.user;
  } else if (!draft.user.empty()) {
    auto user = resolve_user(draft.user, spec.rootfs);
    if (!user) {
      Error error = user.error();
      error.where = place_of_slot(draft, "user");
      return error;
    }
    spec.user = *user;
    if (auto result = spec.check(); !result) return in_the_writers_words(draft, result.error());
  }
  return std::move(spec);
}

}  // namespace sandstone
