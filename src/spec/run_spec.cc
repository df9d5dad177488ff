#include <fmt/format.h>
#include <sandstone/run_spec.h>

#include <algorithm>

namespace sandstone {

RunSpec RunSpec::command(std::vector<std::string> argv) {
  RunSpec spec;
  spec.argv = std::move(argv);
  return spec;
}

RunSpec& RunSpec::with_bind(std::string source, std::string destination, Access access) {
  mounts.push_back({Mount::Kind::bind, std::move(source), std::move(destination), access, 0});
  return *this;
}

RunSpec& RunSpec::with_tmpfs(std::string destination, uint64_t size_bytes) {
  mounts.push_back({Mount::Kind::tmpfs, {}, std::move(destination), Access::read_write, size_bytes});
  return *this;
}

RunSpec& RunSpec::with_env(std::string name_, std::string value) {
  environment.emplace_back(std::move(name_), std::move(value));
  return *this;
}

RunSpec& RunSpec::with_allow(std::string rule) {
  allow.push_back(std::move(rule));
  return *this;
}

RunSpec& RunSpec::with_forward(PortForward forward) {
  forwards.push_back(std::move(forward));
  return *this;
}

namespace {

// execve(2) and mount(2) end a string at NUL: a name that holds one would be checked as one thing and used as another.
bool has_nul(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

bool has_dot_dot(const std::string& path) {
  return ("/" + path + "/").find("/../") != std::string::npos;
}

Result<void> check_mount(const Mount& mount) {
  const char* flag = mount.kind == Mount::Kind::tmpfs ? "--tmpfs" : "-v";
  if (has_nul(mount.source) || has_nul(mount.destination)) return Error{flag, "a path holds a NUL byte", {}};
  if (mount.destination.empty() || mount.destination[0] != '/')
    return Error{flag, fmt::format("the destination '{}' is not absolute", mount.destination),
                 "start it with /"};
  if (has_dot_dot(mount.destination))
    return Error{flag, fmt::format("the destination '{}' holds '..'", mount.destination), "write it out"};
  if (mount.destination.find_first_not_of('/') == std::string::npos)
    return Error{flag, "the destination is the root itself", "use --rootfs DIR"};
  if (mount.kind == Mount::Kind::bind && (mount.source.empty() || mount.source[0] != '/'))
    return Error{flag, fmt::format("the source '{}' is not absolute", mount.source), "start it with /"};
  return {};
}

// --disk is a total: nothing that the workload may fill lies outside of it.
Result<void> check_disk(const RunSpec& spec) {
  if (!spec.limits.disk_bytes) return {};
  if (!spec.save_directory.empty())
    return Error{"--disk", "cannot go with --save: what is saved lies on the host, where nothing limits it",
                 "drop one of them"};
  uint64_t left = *spec.limits.disk_bytes;
  for (const Mount& mount : spec.mounts) {
    if (mount.kind != Mount::Kind::tmpfs) continue;
    if (mount.size_bytes == 0)
      return Error{"--tmpfs",
                   fmt::format("'{}' needs a size with --disk, to be a part of it", mount.destination),
                   fmt::format("--tmpfs {}:SIZE", mount.destination)};
    if (mount.size_bytes >= left)
      return Error{"--disk", "leaves nothing beside the sizes of --tmpfs", "raise it"};
    left -= mount.size_bytes;
  }
  constexpr uint64_t kLeast = 1 << 20;
  if (left < kLeast) return Error{"--disk", "less than 1 MiB, beside the sizes of --tmpfs, runs nothing", {}};
  return {};
}

Result<void> check_disk_image(const RunSpec& spec) {
  if (spec.disk_image.empty()) {
    if (spec.persist) return Error{"--persist", "there is no disk image", "add --disk-image FILE"};
    if (!spec.image_user.empty())
      return Error{"-u", "there is no disk image to look a user up in", "add --disk-image FILE"};
    return {};
  }
  if (spec.tier != Tier::kernel)
    return Error{"--disk-image", fmt::format("the tier {} has no disks", to_string(spec.tier)),
                 "add --tier kernel"};
  if (spec.disk_image[0] != '/')
    return Error{"--disk-image", fmt::format("'{}' is not absolute", spec.disk_image), {}};
  if (has_nul(spec.disk_image)) return Error{"--disk-image", "a path holds a NUL byte", {}};
  if (has_nul(spec.image_user)) return Error{"-u", "holds a NUL byte", {}};
  if (!spec.rootfs.empty())
    return Error{"--disk-image", "cannot go with --rootfs: each is a root", "drop one of them"};
  if (spec.persist && spec.disk_read_only)
    return Error{"--persist", "cannot go with an image that is read-only", "drop :ro"};
  return {};
}

}  // namespace

Result<void> RunSpec::check() const {
  if (argv.empty() || argv[0].empty())
    return Error{"command", "nothing to run", "sandstone run [OPTIONS] -- CMD [ARG...]"};
  for (const auto& word : argv)
    if (has_nul(word)) return Error{"command", "an argument holds a NUL byte", {}};
  for (const auto& mount : mounts)
    if (auto result = check_mount(mount); !result) return result;
  for (const auto& [key, value] : environment) {
    if (key.empty() || key.find('=') != std::string::npos || has_nul(key) || has_nul(value))
      return Error{"-e", fmt::format("'{}' is not a name for a variable", key), "NAME=VALUE"};
  }
  if (!rootfs.empty() && rootfs[0] != '/')
    return Error{"--rootfs", fmt::format("'{}' is not absolute", rootfs), {}};
  if (!save_directory.empty() && rootfs.empty())
    return Error{"--save", "there is nothing to save without a root of its own", "add --rootfs DIR"};
  if (!save_directory.empty() && read_only_root)
    return Error{"--save", "cannot go with --read-only", "drop one of them"};
  if (auto result = check_disk(*this); !result) return result;
  if (!working_directory.empty() && working_directory[0] != '/')
    return Error{"-w", fmt::format("'{}' is not absolute", working_directory), {}};
  if (hostname && (hostname->empty() || hostname->size() > 64 || has_nul(*hostname)))
    return Error{"--hostname", "must have 1 to 64 bytes", {}};
  if (limits.timeout && limits.timeout->count() <= 0)
    return Error{"--timeout", "must be more than nothing", {}};
  if (limits.memory_bytes && *limits.memory_bytes < (1 << 20))
    return Error{"-m", "less than 1 MiB runs nothing", {}};
  if (limits.cpus && !(*limits.cpus >= 0.01 && *limits.cpus <= 4096))
    return Error{"--cpus", "must be 0.01 to 4096", {}};
  if (limits.pids && (*limits.pids < 1 || *limits.pids > 4'000'000))
    return Error{"--pids-limit", "must be 1 to 4000000", {}};
  if (network != Network::user && !allow.empty())
    return Error{"--allow", "has no meaning without a user network", "add --network user"};
  if (network != Network::user && !forwards.empty())
    return Error{"-p", "has no meaning without a user network", "add --network user"};
  if (tier != Tier::kernel && syscall_mode != SyscallMode::automatic)
    return Error{"--syscall-mode",
                 fmt::format("the tier {} leaves the system calls to the host", to_string(tier)),
                 "add --tier kernel"};
  if (tier == Tier::kernel && network == Network::host)
    return Error{"--network", "the tier kernel has a network of its own, never the host's",
                 "--network user, or --tier full"};
  if (tier != Tier::kernel && audit)
    return Error{"--audit", fmt::format("the tier {} does not see the system calls", to_string(tier)),
                 "add --tier kernel"};
  if (audit && chosen_syscall_mode() != SyscallMode::unotify)
    return Error{"--audit",
                 fmt::format("a workload could forge what the mode {} sees", to_string(syscall_mode)),
                 "leave --syscall-mode out, or say unotify"};
  if (tier != Tier::kernel && !trace.empty())
    return Error{"--trace", fmt::format("the tier {} does not see the system calls", to_string(tier)),
                 "add --tier kernel"};
  if (tier != Tier::kernel && counts_stats())
    return Error{stats ? "--stats" : "--stats-file",
                 fmt::format("the tier {} leaves the system calls to the host", to_string(tier)),
                 "add --tier kernel"};
  if (stats_interval.count() < 10) return Error{"--stats-interval", "must be at least 10 ms", {}};
  if (trace.empty() && trace_json) return Error{"--trace-format", "there is no trace", "add --trace FILE"};
  if (auto result = check_disk_image(*this); !result) return result;
  if (tier != Tier::kernel && !writable_code)
    return Error{"--wx", fmt::format("the tier {} cannot refuse it", to_string(tier)), "add --tier kernel"};
  if (tier == Tier::none && !walls) {
    const char* flag = !rootfs.empty()            ? "--rootfs"
                       : !mounts.empty()          ? "-v"
                       : read_only_root           ? "--read-only"
                       : hostname                 ? "--hostname"
                       : user                     ? "-u"
                       : network == Network::user ? "--network"
                       : limits.disk_bytes        ? "--disk"
                                                  : nullptr;
    if (flag != nullptr)
      return Error{flag, "the tier none has no walls to carry this out", "use --tier ns or higher"};
  }
  return {};
}

const char* to_string(Tier tier) {
  constexpr const char* kNames[] = {"none", "ns", "landlock", "full", "kernel"};
  return kNames[static_cast<size_t>(tier)];
}

const char* to_string(Network network) {
  constexpr const char* kNames[] = {"none", "host", "user"};
  return kNames[static_cast<size_t>(network)];
}

std::optional<Tier> parse_tier(const std::string& text) {
  for (Tier tier : {Tier::none, Tier::ns, Tier::landlock, Tier::full, Tier::kernel})
    if (text == to_string(tier)) return tier;
  return std::nullopt;
}

const char* to_string(SyscallMode mode) {
  constexpr const char* kNames[] = {"auto", "unotify", "trap", "rewrite"};
  return kNames[static_cast<size_t>(mode)];
}

std::optional<SyscallMode> parse_syscall_mode(const std::string& text) {
  for (SyscallMode mode :
       {SyscallMode::automatic, SyscallMode::unotify, SyscallMode::trap, SyscallMode::rewrite})
    if (text == to_string(mode)) return mode;
  return std::nullopt;
}

std::optional<Network> parse_network(const std::string& text) {
  for (Network network : {Network::none, Network::host, Network::user})
    if (text == to_string(network)) return network;
  return std::nullopt;
}

}  // namespace sandstone
