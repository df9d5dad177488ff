#include "probe/promises.h"

namespace sandstone::probe {
namespace {
constexpr Promise kPromises[] = {
    {"read-shadow", Tier::ns},
};
}  // namespace

std::span<const Promise> promises() { return kPromises; }

std::optional<Tier> promise_for(const std::string& operation) {
  for (const Promise& promise : kPromises)
    if (operation == promise.operation) return promise.from;
  return std::nullopt;
}

}  // namespace sandstone::probe
