// ControlGroup: the cgroup v2 that one sandbox lives in, where the host lets us have one.
#pragma once

#include <sandstone/result.h>
#include <sandstone/run_spec.h>

#include <cstdint>
#include <optional>

#include "walls/cgroup_folder.h"
#include "walls/cgroup_place.h"
#include "walls/wall.h"

namespace sandstone::walls {

// What of the spec's limits is the group's to hold: not the number of processes, if RLIMIT_NPROC counts them.
[[nodiscard]] Limits group_limits(const RunSpec& spec);

class ControlGroup {
 public:
  // Whether this process may make one with the controllers memory, pids and cpu, and if not, why and what to
  // do.
  static Support support();

  // Makes a group with `limits` in force: memory, cpus and pids. Removed by the destructor, with all that
  // still runs in it killed. Its supervisor may be killed: what it leaves is empty, and removed by the next
  // run's end.
  static Result<ControlGroup> create(const Limits& limits);

  ControlGroup(ControlGroup&&) noexcept = default;
  ControlGroup& operator=(ControlGroup&& other) noexcept;
  ~ControlGroup();

  // The folder to be born in, for CLONE_INTO_CGROUP.
  [[nodiscard]] int fd() const { return group_.inner.get(); }

  void kill();  // SIGKILL to everything in it

  struct Usage {
    std::optional<uint64_t> peak_memory_bytes;  // Linux 5.19
    uint64_t user_usec = 0;
    uint64_t system_usec = 0;
    uint64_t memory_kills = 0;  // how often the kernel's out-of-memory killer struck in it
    uint64_t pids_refused = 0;  // forks that pids.max refused
  };
  [[nodiscard]] Usage usage() const;

 private:
  ControlGroup(GroupPlace place, RunGroup group) : place_(std::move(place)), group_(std::move(group)) {}
  [[nodiscard]] Result<void> set(const Limits& limits) const;
  void remove();

  GroupPlace place_;
  RunGroup group_;
};

}  // namespace sandstone::walls
