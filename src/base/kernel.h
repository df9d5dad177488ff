// Which Linux this is, for what cannot be asked of the kernel in another way.
#pragma once

namespace sandstone {

[[nodiscard]] bool kernel_is_at_least(long major, long minor);

}  // namespace sandstone
