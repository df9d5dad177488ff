// The table of all settings. A new setting is one entry here, and a line of print_config() in config.cc.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/units.h"
#include "spec/config_draft.h"
#include "spec/config_values.h"

namespace sandstone {
namespace {

using Text = std::string_view;

bool is_true(Text text) {
  return text == "true";
}

// What RunSpec::check() says of one part of a spec, told at once so that the Error has the part's own place.
Result<void> check_part(RunSpec part) {
  part.argv = {"part"};
  auto result = part.check();
  if (result) return {};
  return Error{{}, result.error().what, result.error().remedy};
}

Result<void> add_mount(Draft& draft, Result<Mount> mount) {
  if (!mount) return mount.error();
  RunSpec part;
  part.mounts.push_back(*mount);
  if (auto result = check_part(std::move(part)); !result) return result;
  draft.spec.mounts.push_back(std::move(*mount));
  return {};
}

Result<void> bind(Draft& draft, Text source, Text destination, Access access) {
  auto path = absolute_path(source, draft.directory);
  if (!path) return path.error();
  return add_mount(draft, Mount{Mount::Kind::bind, std::move(*path), std::string(destination), access, 0});
}

Result<void> set_host_path(const Draft& draft, Text text, std::string& target) {
  auto path = absolute_path(text, draft.directory);
  if (!path) return path.error();
  target = std::move(*path);
  return {};
}

Result<void> set_tier(Draft& draft, Text text, Text) {
  const auto tier = parse_tier(std::string(text));
  if (!tier) return Error{{}, fmt::format("'{}' is not a tier", text), "none, ns, landlock, full or kernel"};
  draft.spec.tier = *tier;
  return {};
}

Result<void> set_network(Draft& draft, Text text, Text) {
  const auto network = parse_network(std::string(text));
  if (!network) return Error{{}, fmt::format("'{}' is not a network", text), "none, host or user"};
  draft.spec.network = *network;
  return {};
}

// A flag gives the whole list, a file one element at a time.
Result<void> set_walls(Draft& draft, Text text, Text) {
  std::vector<std::string> names;
  if (draft.layer == Layer::file && draft.spec.walls) names = *draft.spec.walls;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    names.emplace_back(text.substr(at, comma - at));
    if (names.back().empty())
      return Error{{}, "the name of a wall is empty", "--tier none for no walls at all"};
    at = comma + 1;
  }
  draft.spec.walls = std::move(names);
  return {};
}

// "NAME=VALUE", or "NAME" for the caller's own value, which is left out if the caller has none.
Result<void> set_variable(Draft& draft, Text text, Text) {
  const size_t equals = text.find('=');
  std::string name(text.substr(0, equals));
  RunSpec part;
  part.environment.emplace_back(name, "");
  if (auto result = check_part(std::move(part)); !result) return result;
  auto& named = draft.variables[static_cast<size_t>(draft.layer)].named;
  if (equals != Text::npos) {
    named.emplace_back(std::move(name), text.substr(equals + 1));
  } else if (const char* value = ::getenv(name.c_str()); value != nullptr) {
    named.emplace_back(std::move(name), value);
  }
  return {};
}

Result<void> add_env_file(Draft& draft, Text text, Text) {
  std::string path;
  if (auto result = set_host_path(draft, text, path); !result) return result;
  draft.variables[static_cast<size_t>(draft.layer)].files.push_back(std::move(path));
  return {};
}

Result<void> set_user(Draft& draft, Text text, Text) {
  if (text.empty() || text[0] == ':' || text.back() == ':')
    return Error{{}, fmt::format("'{}' is not UID[:GID]", text), "numbers or names"};
  draft.user = text;
  return {};
}

Result<void> set_size(Text text, std::optional<uint64_t>& target) {
  auto bytes = parse_bytes(text);
  if (!bytes) return bytes.error();
  target = *bytes;
  return {};
}

Result<void> set_cpus(Draft& draft, Text text, double one) {
  auto number = parse_number(text);
  if (!number) return number.error();
  const double cpus = *number / one;
  if (!(cpus >= 0.01 && cpus <= 4096))
    return Error{
        {}, fmt::format("'{}' is out of range", text), fmt::format("{} to {}", one / 100, one * 4096)};
  draft.spec.limits.cpus = cpus;
  return {};
}

// zbox has a number of CPUs and a percentage of one, which may stand together: both hold, so the smaller
// does.
Result<void> set_zbox_cpus(Draft& draft, Text text, double one) {
  const auto before = draft.spec.limits.cpus;
  if (auto result = set_cpus(draft, text, one); !result) return result;
  if (before) draft.spec.limits.cpus = std::min(*before, *draft.spec.limits.cpus);
  return {};
}

Result<void> set_memory_mb(Draft& draft, Text text, Text) {
  auto megabytes = parse_count(text);
  if (!megabytes) return megabytes.error();
  draft.spec.limits.memory_bytes = uint64_t{*megabytes} << 20;
  return {};
}

Result<void> set_pids(Draft& draft, Text text, Text) {
  auto count = parse_count(text);
  if (!count) return count.error();
  draft.spec.limits.pids = *count;
  return {};
}

Result<void> add_ulimit(Draft& draft, Text text, Text) {
  auto ulimit = parse_ulimit(text);
  if (!ulimit) return ulimit.error();
  auto& all = draft.spec.limits.ulimits;
  std::erase_if(all, [&](const Ulimit& other) { return other.name == ulimit->name; });
  all.push_back(std::move(*ulimit));
  return {};
}

Result<void> set_timeout(Draft& draft, Text text, Text) {
  const auto duration = parse_duration(text);
  if (!duration) return Error{{}, fmt::format("'{}' is not a duration", text), "500ms, 10s, 2m or 1h"};
  draft.spec.limits.timeout = *duration;
  return {};
}

// What a rule means is the network's affair, and whoever starts a run asks it.
Result<void> add_allow(Draft& draft, Text text, Text) {
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    draft.spec.allow.emplace_back(text.substr(at, comma - at));
    if (draft.spec.allow.back().empty()) return Error{{}, "an empty rule", "NAME|CIDR[:PORT]"};
    at = comma + 1;
  }
  return {};
}

Result<void> add_forward(Draft& draft, Text text, Text) {
  auto forward = parse_forward(text);
  if (!forward) return forward.error();
  draft.spec.forwards.push_back(std::move(*forward));
  return {};
}

// The draft's present layer speaks in full: what a lower layer said of the command is dropped by the caller.
Result<void> add_word(Draft& draft, Text text, Text) {
  draft.spec.argv.emplace_back(text);
  return {};
}

using enum Shape;

constexpr Setting kSettings[] = {
    {"tier",
     "tier",
     text,
     false,
     set_tier,
     {"tier", 0, 1, "TIER", "none, ns, landlock, full or kernel (default full)", Group::walls}},
    {"syscall_mode",
     "syscall_mode",
     text,
     false,
     [](Draft& d, Text t, Text) -> Result<void> {
       const auto mode = parse_syscall_mode(std::string(t));
       if (!mode) return Error{{}, fmt::format("'{}' is not a mode", t), "auto, unotify, trap or rewrite"};
       d.spec.syscall_mode = *mode;
       return {};
     },
     {"syscall-mode", 0, 1, "MODE", "tier kernel: auto, unotify, trap or rewrite (default auto)",
      Group::walls}},
    {"audit",
     "audit",
     toggle,
     false,
     [](Draft& d, Text t, Text) -> Result<void> {
       d.spec.audit = is_true(t);
       return {};
     },
     {"audit", 0, 0, "",
      "tier kernel: answer and trace system calls where the workload cannot reach, at some 10 us each",
      Group::walls}},
    {"trace",
     "trace",
     text,
     false,
     [](Draft& d, Text t, Text) -> Result<void> {
       if (t.empty()) return Error{{}, "is empty", "FILE, or - for standard error"};
       if (t == "-") {
         d.spec.trace = "-";
         return {};
       }
       return set_host_path(d, t, d.spec.trace);
     },
     {"trace", 0, 1, "FILE|-", "tier kernel: write every system call with its arguments, as strace does",
      Group::output}},
    {"trace_format",
     "trace_format",
     text,
     false,
     [](Draft& d, Text t, Text) -> Result<void> {
       if (t != "text" && t != "json") return Error{{}, fmt::format("'{}' is no format", t), "text or json"};
       d.spec.trace_json = t == "json";
       return {};
     },
     {"trace-format", 0, 1, "FORMAT", "text or json (default text)", Group::output}},
    {"stats",
     "stats",
     toggle,
     false,
     [](Draft& d, Text t, Text) -> Result<void> {
       d.spec.stats = is_true(t);
       return {};
     },
     {"stats", 0, 0, "", "tier kernel: count what its kernel does; a table on stderr at the end",
      Group::output}},
    {"stats_file",
     "stats_file",
     text,
     false,
     [](Draft& d, Text t, Text) -> Result<void> { return set_host_path(d, t, d.spec.stats_file); },
     {"stats-file", 0, 1, "FILE", "tier kernel: the same as lines of JSON, while it runs", Group::output}},
    {"stats_interval",
     "stats_interval",
     text,
     false,
     [](Draft& d, Text t, Text) -> Result<void> {
       const auto time = parse_duration(t);
       if (!time) return Error{{}, fmt::format("'{}' is not a duration", t), "500ms, 10s, 2m or 1h"};
       d.spec.stats_interval = *time;
       return {};
     },
     {"stats-interval", 0, 1, "TIME", "between two of these lines (default 1s)", Group::output}},
    {"wx",
     "wx",
     text,
     false,
     [](Draft& d, Text t, Text) -> Result<void> {
       if (t != "allow" && t != "deny")
         return Error{{}, fmt::format("'{}' is no policy", t), "allow or deny"};
       d.spec.writable_code = t == "allow";
       return {};
     },
     {"wx", 0, 1, "POLICY",
      "tier kernel: allow or deny memory that is writable and executable (default allow)", Group::walls}},
    {"best_effort",
     "best_effort",
     toggle,
     false,
     [](Draft& d, Text t, Text) -> Result<void> {
       d.spec.best_effort = is_true(t);
       return {};
     },
     {"best-effort", 0, 0, "",
      "go on without the walls and limits that this host lacks, and list them at the end", Group::walls}},
    {"walls",
     "walls",
     list,
     false,
     set_walls,
     {"walls", 0, 1, "LIST", "raise only these walls, for experiments: user,mount,pid,...", Group::walls}},

    {"volume",
     "mounts",
     list,
     false,
     [](Draft& d, Text t, Text) { return add_mount(d, parse_volume(t, d.directory)); },
     {"volume", 'v', 1, "SRC:DST[:ro]", "show the host's SRC as DST", Group::view}},
    {"bind",
     "mounts",
     pairs,
     false,
     [](Draft& d, Text t, Text u) { return bind(d, t, u, Access::read_write); },
     {"bind", 0, 2, "SRC DST", "the same, for paths with a colon", Group::view}},
    {"ro_bind",
     "mounts",
     pairs,
     false,
     [](Draft& d, Text t, Text u) { return bind(d, t, u, Access::read_only); },
     {"ro-bind", 0, 2, "SRC DST", "the same, read-only", Group::view}},
    {"tmpfs",
     "mounts",
     list,
     false,
     [](Draft& d, Text t, Text) { return add_mount(d, parse_tmpfs(t)); },
     {"tmpfs", 0, 1, "DST[:SIZE]", "an empty folder in memory", Group::view}},
    {"mounts", "mounts", mounts, false, nullptr, {}},
    {"workdir",
     "workdir",
     text,
     false,
     [](Draft& d, Text t, Text) -> Result<void> {
       d.spec.working_directory = t;
       return {};
     },
     {"workdir", 'w', 1, "DIR", "the folder to start in", Group::view}},
    {"env",
     "env",
     variables,
     false,
     set_variable,
     {"env", 'e', 1, "NAME[=VALUE]", "set a variable; NAME alone copies yours", Group::view}},
    {"env_file",
     "env_file",
     list,
     false,
     add_env_file,
     {"env-file", 0, 1, "FILE", "set variables from the lines of FILE", Group::view}},
    {"user",
     "user",
     id,
     false,
     set_user,
     {"user", 'u', 1, "UID[:GID]", "who to be inside, by number or name (default 1000)", Group::view}},
    {"hostname",
     "hostname",
     text,
     false,
     [](Draft& d, Text t, Text) -> Result<void> {
       d.spec.hostname = std::string(t);
       return {};
     },
     {"hostname", 0, 1, "NAME", "what the host is called inside", Group::view}},
    {"read_only",
     "read_only",
     toggle,
     false,
     [](Draft& d, Text t, Text) -> Result<void> {
       d.spec.read_only_root = is_true(t);
       return {};
     },
     {"read-only", 0, 0, "", "nothing can be written but what -v and --tmpfs add", Group::view}},
    {"rootfs",
     "rootfs",
     text,
     false,
     [](Draft& d, Text t, Text) { return set_host_path(d, t, d.spec.rootfs); },
     {"rootfs", 0, 1, "DIR", "run in the system below DIR, which stays as it is", Group::view}},
    {"disk_image",
     "disk_image",
     text,
     false,
     [](Draft& d, Text t, Text) -> Result<void> {
       d.spec.disk_read_only = t.ends_with(":ro");
       if (d.spec.disk_read_only) t.remove_suffix(3);
       return set_host_path(d, t, d.spec.disk_image);
     },
     {"disk-image", 0, 1, "FILE[:ro]",
      "tier kernel: run in the system on an ext4 disk image, which stays as it is", Group::view}},
    {"persist",
     "persist",
     toggle,
     false,
     [](Draft& d, Text t, Text) -> Result<void> {
       d.spec.persist = is_true(t);
       return {};
     },
     {"persist", 0, 0, "", "with --disk-image: keep in it what the run changed", Group::view}},
    {"save",
     "save",
     text,
     false,
     [](Draft& d, Text t, Text) { return set_host_path(d, t, d.spec.save_directory); },
     {"save", 0, 1, "DIR", "with --rootfs: keep in DIR what the run changed", Group::view}},
    {"name",
     "name",
     text,
     false,
     [](Draft& d, Text t, Text) -> Result<void> {
       d.spec.name = t;
       return {};
     },
     {"name", 0, 1, "NAME", "what to call the run in events", Group::view}},

    {"memory",
     "memory",
     size,
     false,
     [](Draft& d, Text t, Text) { return set_size(t, d.spec.limits.memory_bytes); },
     {"memory", 'm', 1, "SIZE", "memory of all processes together: 64m, 1.5g", Group::limits}},
    {"cpus",
     "cpus",
     number,
     false,
     [](Draft& d, Text t, Text) { return set_cpus(d, t, 1); },
     {"cpus", 0, 1, "NUMBER", "CPU time per second: 0.5 is half a CPU", Group::limits}},
    {"cpu_percent",
     "cpus",
     number,
     false,
     [](Draft& d, Text t, Text) { return set_cpus(d, t, 100); },
     {"cpu-percent", 0, 1, "NUMBER", "the same in percent of one CPU", Group::limits}},
    {"pids_limit",
     "pids_limit",
     count,
     false,
     set_pids,
     {"pids-limit", 0, 1, "COUNT", "processes and threads together", Group::limits}},
    {"ulimit",
     "ulimit",
     list,
     false,
     add_ulimit,
     {"ulimit", 0, 1, "NAME=SOFT[:HARD]", "a resource limit of each process: nofile=256", Group::limits}},
    {"disk",
     "disk",
     size,
     false,
     [](Draft& d, Text t, Text) { return set_size(t, d.spec.limits.disk_bytes); },
     {"disk", 0, 1, "SIZE", "what may be written to private files", Group::limits}},
    {"timeout",
     "timeout",
     duration,
     false,
     set_timeout,
     {"timeout", 0, 1, "TIME", "end it after 500ms, 10s, 2m or 1h", Group::limits}},
    {"output_limit",
     "output_limit",
     size,
     false,
     [](Draft& d, Text t, Text) { return set_size(t, d.spec.limits.output_bytes); },
     {"output-limit", 0, 1, "SIZE", "end it when it has printed so much", Group::limits}},

    {"network",
     "network",
     text,
     false,
     set_network,
     {"network", 0, 1, "MODE", "none (default), user (behind --allow), or host (no wall)", Group::network}},
    {"allow",
     "allow",
     list,
     false,
     add_allow,
     {"allow", 0, 1, "NAME|CIDR[:PORT]",
      "with user: reach only this; may be repeated (default: all public addresses)", Group::network}},
    {"publish",
     "publish",
     ports,
     false,
     add_forward,
     {"publish", 'p', 1, "[ADDR:]HOST:SANDBOX[/udp]", "with user: forward a port of the host",
      Group::network}},

    {"interactive",
     "interactive",
     toggle,
     false,
     [](Draft& d, Text t, Text) -> Result<void> {
       d.interactive = is_true(t);
       return {};
     },
     {"interactive", 'i', 0, "", "pass standard input on (default without -t)", Group::terminal}},
    {"terminal",
     "terminal",
     toggle,
     false,
     [](Draft& d, Text t, Text) -> Result<void> {
       d.spec.terminal = is_true(t);
       return {};
     },
     {"terminal", 't', 0, "", "a terminal of its own; -it for a shell", Group::terminal}},

    {"command", "command", words, false, add_word, {}},
    {"binary",
     "command",
     text,
     true,
     [](Draft& d, Text t, Text) -> Result<void> {
       d.spec.argv.emplace(d.spec.argv.begin(), t);
       return {};
     },
     {}},
    {"args", "args", words, true, add_word, {}},
    {"root",
     "rootfs",
     text,
     true,
     [](Draft& d, Text t, Text) { return set_host_path(d, t, d.spec.rootfs); },
     {}},
    {"cpu_cores", "cpus", number, true, [](Draft& d, Text t, Text) { return set_zbox_cpus(d, t, 1); }, {}},
    {"cpu_limit_percent",
     "cpus",
     number,
     true,
     [](Draft& d, Text t, Text) { return set_zbox_cpus(d, t, 100); },
     {}},
    {"memory_limit_mb", "memory", count, true, set_memory_mb, {}},
    {"network_access",
     "network",
     toggle,
     true,
     [](Draft& d, Text t, Text) -> Result<void> {
       d.spec.network = is_true(t) ? Network::user : Network::none;
       return {};
     },
     {}},
    {"port_forwards", "publish", ports, true, add_forward, {}},
};

bool may_repeat(Shape shape) {
  return shape == list || shape == pairs || shape == variables || shape == ports || shape == mounts;
}

}  // namespace

std::span<const Setting> settings() {
  return kSettings;
}

const Setting* find_key(std::string_view key) {
  const auto* found = std::find_if(std::begin(kSettings), std::end(kSettings),
                                   [&](const Setting& s) { return s.key == key; });
  return found == std::end(kSettings) ? nullptr : found;
}

Result<void> apply_setting(Draft& draft, const Setting& setting, std::string_view value,
                           std::string_view second) {
  auto origin = std::find_if(draft.origins.begin(), draft.origins.end(),
                             [&](const Draft::Origin& o) { return o.setting->slot == setting.slot; });
  if (origin == draft.origins.end()) {
    draft.origins.push_back({&setting, draft.layer});
  } else {
    const bool rival = origin->layer == draft.layer && origin->setting != &setting &&
                       !(origin->setting->zbox && setting.zbox);
    if (rival && !may_repeat(setting.shape)) {
      const bool file = draft.layer == Layer::file;
      const auto& other = *origin->setting;
      return Error{{},
                   file ? fmt::format("cannot go with {}", other.key)
                        : fmt::format("cannot go with --{}", other.flag.name),
                   "drop one of them"};
    }
    *origin = {&setting, draft.layer};
  }
  return setting.apply(draft, value, second);
}

std::string place_of(const Draft& draft, const Draft::Origin& origin) {
  if (origin.layer == Layer::file) return fmt::format("{}: /{}", draft.file, origin.setting->key);
  const Flag& flag = origin.setting->flag;
  return flag.name.empty() ? std::string(origin.setting->key) : fmt::format("--{}", flag.name);
}

}  // namespace sandstone
