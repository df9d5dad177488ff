#include <array>

#include "engine/engine.h"
#include "jail/engine.h"

namespace sandstone::engine {

std::span<const Engine* const> engines() {
  static const std::array<const Engine*, 1> all{&jail::jail_engine()};
  return all;
}

}  // namespace sandstone::engine
