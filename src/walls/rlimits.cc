// Resource limits by setrlimit(2): what the spec names, no core files, and the number of processes, which the
// kernel counts per user namespace and so for this sandbox alone.

#include "walls/rlimits.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/fd.h"
#include "base/sys.h"
#include "walls/factories.h"
#include "walls/setup.h"

namespace sandstone::walls {
namespace {

struct Named {
  const char* name;
  int resource;
  uint64_t least;  // below it process 1 could not start the workload
};
constexpr Named kLimits[] = {
    {"as", RLIMIT_AS, 1 << 20},      {"core", RLIMIT_CORE, 0},         {"cpu", RLIMIT_CPU, 1},
    {"data", RLIMIT_DATA, 1 << 16},  {"fsize", RLIMIT_FSIZE, 0},       {"locks", RLIMIT_LOCKS, 0},
    {"memlock", RLIMIT_MEMLOCK, 0},  {"msgqueue", RLIMIT_MSGQUEUE, 0}, {"nice", RLIMIT_NICE, 0},
    {"nofile", RLIMIT_NOFILE, 8},    {"nproc", RLIMIT_NPROC, 2},       {"rss", RLIMIT_RSS, 0},
    {"rtprio", RLIMIT_RTPRIO, 0},    {"rttime", RLIMIT_RTTIME, 0},     {"sigpending", RLIMIT_SIGPENDING, 1},
    {"stack", RLIMIT_STACK, 1 << 17}};

struct Entry {
  const Named* named;
  rlimit64 limit;
};

const Named* find(const std::string& name) {
  const auto* known =
      std::find_if(std::begin(kLimits), std::end(kLimits), [&](const Named& n) { return name == n.name; });
  return known == std::end(kLimits) ? nullptr : known;
}

uint64_t hard_limit_here(int resource) {
  rlimit64 now{};
  return sys::call(SYS_prlimit64, 0, resource, 0, sys::word(&now)) == 0 ? now.rlim_max : RLIM_INFINITY;
}

bool is_linux_5_14() {
  utsname host{};
  int major = 0;
  int minor = 0;
  if (::uname(&host) != 0 || std::sscanf(host.release, "%d.%d", &major, &minor) != 2) return false;
  return major > 5 || (major == 5 && minor >= 14);
}

class RlimitsWall final : public Wall {
 public:
  [[nodiscard]] const char* name() const override { return "rlimits"; }
  [[nodiscard]] Support support() const override { return {}; }

  Result<void> build(Setup& setup) override {
    // A core file holds the workload's memory and lands where the host's core_pattern says.
    lower("core", 0);
    for (const Ulimit& limit : setup.spec.limits.ulimits)
      if (auto added = add(limit, setup); !added) return added;
    if (setup.counts_processes) {
      // Process 1 is ours, and so is the thread that keeps a place for trying whether the workload wants
      // more.
      const uint64_t ours = setup.keeps_slot ? 2 : 1;
      lower("nproc", *setup.spec.limits.pids + ours);
    }
    // With --best-effort: of each process, where nothing limits all of them together. prepare() tells so.
    if (setup.spec.limits.memory_bytes && !setup.has("control-group"))
      lower("data", *setup.spec.limits.memory_bytes);
    return {};
  }

  [[nodiscard]] bool raise(Child& child) noexcept override {
    for (const Entry& entry : entries_) {
      const long r = sys::call(SYS_prlimit64, 0, entry.named->resource, sys::word(&entry.limit), 0);
      if (r < 0) return child.fail(static_cast<int>(r), "set the limit", entry.named->name);
    }
    return true;
  }

 private:
  Entry& entry_for(const Named* named) {
    for (Entry& entry : entries_)
      if (entry.named == named) return entry;
    return entries_.emplace_back(Entry{named, {RLIM_INFINITY, RLIM_INFINITY}});
  }

  Result<void> add(const Ulimit& limit, const Setup& setup) {
    const Named* known = find(limit.name);
    if (known == nullptr)
      return Error{"--ulimit", fmt::format("'{}' is not a limit", limit.name), "such as nofile=1024"};
    if (limit.soft > limit.hard)
      return Error{"--ulimit", fmt::format("{}: the soft limit is above the hard one", limit.name), {}};
    if (limit.hard < known->least || limit.soft < known->least)
      return Error{"--ulimit", fmt::format("{}: less than {} runs nothing", limit.name, known->least), {}};
    // Raising one takes a privilege that nobody has in a user namespace, root's included.
    const uint64_t highest = hard_limit_here(known->resource);
    if (limit.hard > highest && (setup.has("user") || ::geteuid() != 0))
      return Error{
          "--ulimit",
          fmt::format("{}: the hard limit is {} already, and can only be lowered", limit.name, highest),
          "raise it for sandstone itself"};
    entry_for(known).limit = {limit.soft, limit.hard};
    return {};
  }

  // At most `value`: what the caller is limited to already, or asked for by --ulimit, stays if it is less.
  void lower(const char* name, uint64_t value) {
    const Named* named = find(name);
    rlimit64& limit = entry_for(named).limit;
    limit.rlim_max = std::min({limit.rlim_max, value, hard_limit_here(named->resource)});
    limit.rlim_cur = std::min(limit.rlim_cur, limit.rlim_max);
  }

  std::vector<Entry> entries_;
};

}  // namespace

bool rlimits_count_processes(const RunSpec& spec) {
  const auto names = spec.walls ? *spec.walls : walls_of(spec.tier);
  const auto has = [&](const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  return has("user") && has("rlimits") && is_linux_5_14();
}

std::unique_ptr<Wall> make_rlimits_wall() {
  return std::make_unique<RlimitsWall>();
}

}  // namespace sandstone::walls
