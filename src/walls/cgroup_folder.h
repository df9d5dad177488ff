// The control group of one run as a folder: how it is made, told from a leftover, and removed.
#pragma once

#include <sandstone/result.h>

#include <chrono>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace sandstone::walls {

// One write(2) to a file of a group: 0 or errno.
int write_group_file(int group, const char* file, std::string_view text);
// Empty if it cannot be read.
std::string read_group_file(int group, const char* file);

// The group that the sandbox is born in, inside the run's own. The limits are on the outer one, which the
// sandbox's cgroup namespace does not show: a workload that may mount cgroup v2 (tier ns) could raise them
// otherwise.
inline constexpr const char* kInnerGroup = "workload";

struct RunGroup {
  std::string name;
  Fd outer;  // locked (flock) for as long as it is open: so nobody takes the group for a leftover
  Fd inner;
};

// Makes both below `place`. An errno of ENOENT, ENODEV or EAGAIN means that somebody else was in between: try
// again.
struct MadeRunGroup {
  RunGroup group;
  int error = 0;
  const char* step = "";
};
MadeRunGroup make_run_group(int place);

// Ends what still runs in it and removes it, waiting at most so long for the processes to be gone. False:
// something in it cannot be ended now; a later sweep will.
bool remove_run_group(int place, const RunGroup& group, std::chrono::milliseconds patience);

// Removes the groups that supervisors left when they were killed. Never touches one whose supervisor lives.
void sweep_run_groups(int place);

}  // namespace sandstone::walls
