// The caller's side of --rootfs and --save: what has to be done with the caller's own rights, before the
// clone.
#pragma once

#include <sandstone/outcome.h>
#include <sandstone/result.h>

#include <vector>

#include "walls/setup.h"

namespace sandstone::jail {

// For a root caller, whose workload is nobody on the host: setup.rootfs_mount becomes a mount of the rootfs
// whose owners appear as ids that exist inside (ids.h). With best_effort a file system that cannot do it is
// listed in `missing`.
Result<void> prepare_rootfs(walls::Setup& setup, std::vector<Missing>& missing);

// The folder of --save becomes an overlay's: its parts are made, with the workload's owner, and it is locked
// until setup ends.
Result<void> prepare_save(walls::Setup& setup);

}  // namespace sandstone::jail
