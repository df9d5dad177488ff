#include <fmt/format.h>

#include "spec/config.h"
#include "spec/config_json.h"
#include "spec/config_values.h"

namespace sandstone {
namespace {

Json mount_json(const Mount& mount) {
  if (mount.kind == Mount::Kind::bind)
    return {{"type", "bind"},
            {"source", mount.source},
            {"destination", mount.destination},
            {"read_only", mount.access == Access::read_only}};
  return {{"type", "tmpfs"}, {"destination", mount.destination}, {"size", mount.size_bytes}};
}

}  // namespace

Result<std::string> print_config(const RunSpec& spec) {
  Json out = Json::object();
  if (!spec.name.empty()) out["name"] = spec.name;
  out["command"] = spec.argv;
  out["tier"] = to_string(spec.tier);
  if (spec.tier == Tier::kernel) {
    out["syscall_mode"] = to_string(spec.syscall_mode);
    out["audit"] = spec.audit;
    if (!spec.trace.empty()) {
      out["trace"] = spec.trace;
      out["trace_format"] = spec.trace_json ? "json" : "text";
    }
    if (spec.counts_stats()) {
      out["stats"] = spec.stats;
      if (!spec.stats_file.empty()) out["stats_file"] = spec.stats_file;
      out["stats_interval"] = fmt::format("{}ms", spec.stats_interval.count());
    }
    if (!spec.disk_image.empty()) {
      out["disk_image"] = spec.disk_image + (spec.disk_read_only ? ":ro" : "");
      out["persist"] = spec.persist;
    }
    out["wx"] = spec.writable_code ? "allow" : "deny";
  }
  out["best_effort"] = spec.best_effort;
  if (spec.walls) out["walls"] = *spec.walls;

  if (!spec.rootfs.empty()) out["rootfs"] = spec.rootfs;
  if (!spec.save_directory.empty()) out["save"] = spec.save_directory;
  out["read_only"] = spec.read_only_root;
  out["mounts"] = Json::array();
  for (const auto& mount : spec.mounts) out["mounts"].push_back(mount_json(mount));
  if (!spec.working_directory.empty()) out["workdir"] = spec.working_directory;
  if (spec.hostname) out["hostname"] = *spec.hostname;
  if (spec.user) out["user"] = fmt::format("{}:{}", spec.user->uid, spec.user->gid);
  out["env"] = Json::object();
  for (const auto& [name, value] : spec.environment) out["env"][name] = value;

  const Limits& limits = spec.limits;
  if (limits.memory_bytes) out["memory"] = *limits.memory_bytes;
  if (limits.cpus) out["cpus"] = *limits.cpus;
  if (limits.pids) out["pids_limit"] = *limits.pids;
  if (limits.disk_bytes) out["disk"] = *limits.disk_bytes;
  if (limits.output_bytes) out["output_limit"] = *limits.output_bytes;
  if (limits.timeout) out["timeout"] = fmt::format("{}ms", limits.timeout->count());
  out["ulimit"] = Json::array();
  for (const auto& ulimit : limits.ulimits) out["ulimit"].push_back(format_ulimit(ulimit));

  out["network"] = to_string(spec.network);
  out["allow"] = spec.allow;
  out["publish"] = Json::array();
  for (const auto& forward : spec.forwards) out["publish"].push_back(format_forward(forward));

  out["interactive"] = spec.interactive;
  out["terminal"] = spec.terminal;
  try {
    return out.dump(2) + "\n";
  } catch (const Json::type_error&) {
    return Error{"--print-config", "a setting holds bytes that are not UTF-8, and JSON cannot say them", {}};
  }
}

}  // namespace sandstone
