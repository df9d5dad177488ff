#include <array>

#include "engine/engine.h"
#include "jail/engine.h"
#include "kernel/engine.h"

namespace sandstone::engine {

std::span<const Engine* const> engines() {
  static const std::array<const Engine*, 2> all{&jail::jail_engine(), &kernel::kernel_engine()};
  return all;
}

}  // namespace sandstone::engine
