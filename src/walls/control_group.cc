#include "walls/control_group.h"

#include <fmt/format.h>

#include <cerrno>

#include "walls/cgroup_files.h"
#include "walls/factories.h"
#include "walls/rlimits.h"
#include "walls/setup.h"

namespace sandstone::walls {
namespace {

constexpr const char* kWhere = "wall control-group";

Controllers controllers_for(const Limits& limits) {
  Controllers wanted;
  if (limits.memory_bytes) wanted.emplace_back("memory");
  if (limits.pids) wanted.emplace_back("pids");
  if (limits.cpus) wanted.emplace_back("cpu");
  return wanted;
}

bool has_swap() {
  auto info = read_file("/proc/meminfo");
  const size_t at = info ? info->find("SwapTotal:") : std::string::npos;
  return at == std::string::npos ||
         std::strtoull(info->c_str() + at + sizeof("SwapTotal:") - 1, nullptr, 10) != 0;
}

}  // namespace

Limits group_limits(const RunSpec& spec) {
  Limits limits = spec.limits;
  if (rlimits_count_processes(spec)) limits.pids.reset();
  return limits;
}

Support ControlGroup::support() {
  Support support = GroupPlace::survey({"memory", "pids", "cpu"});
  if (support.available) support.extent = "memory, pids and cpu";
  return support;
}

Result<ControlGroup> ControlGroup::create(const Limits& limits) {
  constexpr int kTries = 100;
  MadeRunGroup made;
  for (int i = 0; i < kTries; ++i) {
    auto place = GroupPlace::claim(controllers_for(limits));
    if (!place) return place.error();
    made = make_run_group(place->folder());
    if (made.error == 0) {
      ControlGroup group(std::move(*place), std::move(made.group));
      if (auto done = group.set(limits); !done) return done.error();
      return group;
    }
    // Another run's end removed the place, or took the new group for a leftover.
    if (made.error != ENOENT && made.error != ENODEV && made.error != EAGAIN) break;
  }
  return system_error(kWhere, fmt::format("cannot {}", made.step), made.error);
}

Result<void> ControlGroup::set(const Limits& limits) const {
  const auto write = [&](const char* file, const std::string& text) -> Result<void> {
    if (const int error = write_group_file(group_.outer.get(), file, text); error != 0)
      return system_error(kWhere, fmt::format("cannot write '{}' to {}", text, file), error);
    return {};
  };
  // Without it, kill() could miss what is forked meanwhile.
  if (::faccessat(group_.outer.get(), "cgroup.kill", F_OK, 0) != 0)
    return Error{kWhere, "this kernel cannot kill a whole control group", "Linux 5.14 or later"};
  if (limits.memory_bytes) {
    // Memory that could be swapped out would not be limited: the file is missing where swap is not accounted
    // for.
    if (auto r = write("memory.swap.max", "0"); !r && has_swap()) return r;
    if (auto r = write("memory.max", std::to_string(*limits.memory_bytes)); !r) return r;
    // All of the sandbox or nothing: half of it would go on in a state that nobody has foreseen.
    if (auto r = write("memory.oom.group", "1"); !r) return r;
  }
  if (limits.cpus) {
    if (auto r = write("cpu.max", cpu_max(*limits.cpus)); !r) return r;
  }
  if (limits.pids) {  // and process 1
    if (auto r = write("pids.max", std::to_string(*limits.pids + uint64_t{1})); !r) return r;
  }
  return {};
}

ControlGroup& ControlGroup::operator=(ControlGroup&& other) noexcept {
  if (this != &other) {
    remove();
    place_ = std::move(other.place_);
    group_ = std::move(other.group_);
  }
  return *this;
}

ControlGroup::~ControlGroup() {
  remove();
}

// The lock on the outer folder goes last, so that a sweep finds either a live supervisor or a leftover.
void ControlGroup::remove() {
  constexpr std::chrono::seconds kPatience{5};
  if (!group_.outer.valid()) return;
  group_.inner.reset();
  remove_run_group(place_.folder(), group_, kPatience);
  group_.outer.reset();
}

void ControlGroup::kill() {
  write_group_file(group_.outer.get(), "cgroup.kill", "1");
}

ControlGroup::Usage ControlGroup::usage() const {
  const int folder = group_.outer.get();
  Usage usage;
  const std::string peak = read_group_file(folder, "memory.peak");
  if (!peak.empty()) usage.peak_memory_bytes = std::strtoull(peak.c_str(), nullptr, 10);
  const std::string cpu = read_group_file(folder, "cpu.stat");
  usage.user_usec = counter(cpu, "user_usec");
  usage.system_usec = counter(cpu, "system_usec");
  usage.memory_kills = counter(read_group_file(folder, "memory.events"), "oom_kill");
  usage.pids_refused = counter(read_group_file(folder, "pids.events"), "max");
  return usage;
}

namespace {

class ControlGroupWall final : public Wall {
 public:
  [[nodiscard]] const char* name() const override { return "control-group"; }
  [[nodiscard]] Support support() const override { return ControlGroup::support(); }
  [[nodiscard]] Support support_for(const RunSpec& spec) const override {
    return GroupPlace::survey(controllers_for(group_limits(spec)));
  }
  [[nodiscard]] bool needed(const RunSpec& spec) const override {
    return !controllers_for(group_limits(spec)).empty();
  }
};

}  // namespace

std::unique_ptr<Wall> make_control_group_wall() {
  return std::make_unique<ControlGroupWall>();
}

}  // namespace sandstone::walls
