// The workload's view of files, decided before the clone as a flat list of steps that the root wall carries out.
#pragma once

#include <sandstone/result.h>

#include "walls/setup.h"

namespace sandstone::walls {

// Fills setup.view from setup.spec: the default view of the host's system folders or the rootfs, /dev, /proc, private
// folders, and the spec's own mounts in their order. Refuses sources that do not exist.
Result<void> plan_view(Setup& setup);

// What Landlock grants where, when no root of its own hides the host: the same classes on the host's own paths.
std::vector<ViewStep> host_grants(const Setup& setup);

}  // namespace sandstone::walls
