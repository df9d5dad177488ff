// A column of the report: a tier and, where the tier has several, the boundary between the workload and its
// own kernel.
#pragma once

#include <sandstone/run_spec.h>

#include <compare>
#include <optional>
#include <span>
#include <string>

namespace sandstone::probe {

struct Column {
  Tier tier = Tier::none;
  SyscallMode mode = SyscallMode::automatic;

  Column() = default;
  constexpr Column(Tier t, SyscallMode m = SyscallMode::automatic)
      : tier(t), mode(m) {}  // NOLINT: a tier is a column

  // What the workload calls is a kernel of its own: what is gained from that is gained inside only.
  [[nodiscard]] constexpr bool own_kernel() const { return tier == Tier::kernel; }

  friend constexpr auto operator<=>(const Column&, const Column&) = default;
};

std::string to_string(const Column& column);  // "full", "kernel"
std::optional<Column> parse_column(const std::string& text);

// All that are tried unless one is asked for, in the order of the report.
std::span<const Column> columns();
std::string column_names();  // "none, ns, ... or kernel"

}  // namespace sandstone::probe
