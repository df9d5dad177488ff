// Which ids the workload has inside and on the host, and the maps between them.
#pragma once

#include <sandstone/run_spec.h>

#include <cstdint>
#include <string>

#include "walls/setup.h"

namespace sandstone::jail {

// Sets caller_is_root, inside, outside, has_id_range and home of a setup whose walls are known.
void choose_ids(walls::Setup& setup);

// Ids of a root caller's rootfs other than the workload's own live on the host from here on: in a range that
// no distribution hands out (systemd's UIDS-GIDS.md: 0x70000000 to 0x7fffffff is unused).
constexpr uint32_t kRangeBase = 0x7f000000;
constexpr uint32_t kRangeSize = 0x10000;

// The host's id for one of the sandbox's; without a range all are the workload's.
uint32_t on_host(uint32_t id, uint32_t inside, uint32_t outside, bool range);

// For /proc/PID/uid_map or gid_map of the workload's user namespace: `inside` is `outside`, and with a range
// the other ids below kRangeSize are those from kRangeBase on.
std::string workload_map(uint32_t inside, uint32_t outside, bool range);

// For the user namespace of a mount that shows a tree to such a workload: the tree's owner appears as root
// (and root as that owner), all others as they are. Without a range, the owner appears as the workload, and
// nobody else as anybody.
std::string tree_map(uint32_t owner, uint32_t inside, uint32_t outside, bool range);

}  // namespace sandstone::jail
