// ControlGroup: the cgroup v2 that one sandbox lives in, where the host lets us have one.
#pragma once

#include <sandstone/result.h>
#include <sandstone/run_spec.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/fd.h"
#include "walls/wall.h"

namespace sandstone::walls {

class ControlGroup {
 public:
  // Whether this process may make one with the controllers memory, pids and cpu, and if not, why and what to do.
  static Support support();

  // Makes a group with `limits` in force. Removed by the destructor, with all that still runs in it killed.
  static Result<ControlGroup> create(const Limits& limits);

  ControlGroup(ControlGroup&&) noexcept = default;
  ControlGroup& operator=(ControlGroup&& other) noexcept;
  ~ControlGroup();

  // The group's folder, for CLONE_INTO_CGROUP.
  [[nodiscard]] int fd() const { return folder_.get(); }

  void kill();  // SIGKILL to everything in it

  struct Usage {
    uint64_t peak_memory_bytes = 0;
    uint64_t user_usec = 0;
    uint64_t system_usec = 0;
    uint64_t memory_kills = 0;  // how often the kernel's out-of-memory killer struck in it
    uint64_t pids_refused = 0;  // forks that pids.max refused
    uint64_t pids = 0;          // processes and threads now
  };
  [[nodiscard]] Usage usage() const;

 private:
  ControlGroup(Fd folder, std::string path) : folder_(std::move(folder)), path_(std::move(path)) {}

  Fd folder_;
  std::string path_;
};

}  // namespace sandstone::walls
