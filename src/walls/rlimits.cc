// Resource limits by setrlimit(2): what the spec names, no core files, and the number of processes, which the kernel
// counts per user namespace and so for this sandbox alone (Linux 5.14).

#include <fmt/format.h>
#include <sys/resource.h>

#include "base/sys.h"
#include "walls/factories.h"
#include "walls/setup.h"

namespace sandstone::walls {
namespace {

struct Named {
  const char* name;
  int resource;
};
constexpr Named kLimits[] = {
    {"as", RLIMIT_AS},         {"core", RLIMIT_CORE},     {"cpu", RLIMIT_CPU},       {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE},   {"locks", 10},             {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE},
    {"nice", RLIMIT_NICE},     {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC},   {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO}, {"rttime", RLIMIT_RTTIME}, {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK}};

struct Entry {
  int resource;
  rlimit64 limit;
  const char* name;
};

class RlimitsWall final : public Wall {
 public:
  [[nodiscard]] const char* name() const override { return "rlimits"; }
  [[nodiscard]] Support support() const override { return {}; }

  Result<void> build(Setup& setup) override {
    // A core file holds the workload's memory and lands where the host's core_pattern says.
    entries_.push_back({RLIMIT_CORE, {0, 0}, "core"});
    for (const Ulimit& limit : setup.spec.limits.ulimits) {
      const auto* known = std::find_if(std::begin(kLimits), std::end(kLimits), [&](const Named& n) { return limit.name == n.name; });
      if (known == std::end(kLimits)) return Error{"--ulimit", fmt::format("'{}' is not a limit", limit.name), "such as nofile=1024"};
      if (limit.soft > limit.hard) return Error{"--ulimit", fmt::format("{}: the soft limit is above the hard one", limit.name), {}};
      entries_.push_back({known->resource, {limit.soft, limit.hard}, known->name});
    }
    // One more than asked: process 1 is ours. With a control group that one counts, exactly and per sandbox.
    if (setup.spec.limits.pids && setup.has("user")) {
      const uint64_t processes = *setup.spec.limits.pids + 1;
      entries_.push_back({RLIMIT_NPROC, {processes, processes}, "nproc"});
    }
    return {};
  }

  [[nodiscard]] bool raise(Child& child) noexcept override {
    for (const Entry& entry : entries_) {
      const long r = sys::call(SYS_prlimit64, 0, entry.resource, sys::word(&entry.limit), 0);
      if (r < 0) return child.fail(static_cast<int>(r), "set the limit", entry.name);
    }
    return true;
  }

 private:
  std::vector<Entry> entries_;
};

}  // namespace

std::unique_ptr<Wall> make_rlimits_wall() { return std::make_unique<RlimitsWall>(); }

}  // namespace sandstone::walls
