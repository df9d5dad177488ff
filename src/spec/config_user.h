// Who the workload is to be: numbers, or names from the passwd and group files of its own root.
#pragma once

#include <sandstone/run_spec.h>

#include <string>
#include <string_view>

namespace sandstone {

// "UID[:GID]". A name without a group has that user's own group; a number without one has the group of that
// number. `rootfs` empty: the host's files. The Error's place is left empty.
Result<User> resolve_user(std::string_view text, const std::string& rootfs);

}  // namespace sandstone
