// The end of the net wall's raising: the namespace that its helper made meanwhile is entered.
#pragma once

#include "walls/setup.h"

namespace sandstone::walls {

// In the child, before Landlock and the loss of capabilities. Does nothing if no helper was started.
[[nodiscard]] bool join_network(Child& child) noexcept;

}  // namespace sandstone::walls
