// What each tier promises to stop. The probe exits non-zero if one of these is broken; docs/security.md
// quotes them.
#pragma once

#include <sandstone/run_spec.h>

#include <optional>
#include <span>
#include <string>

namespace sandstone::probe {

struct Promise {
  const char* operation;
  Tier from;  // the lowest tier that promises it; every higher one does, too
};

std::span<const Promise> promises();
std::optional<Tier> promise_for(const std::string& operation);

}  // namespace sandstone::probe
