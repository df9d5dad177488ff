#include "probe/column.h"

namespace sandstone::probe {
namespace {

constexpr Column kColumns[] = {
    Tier::none, Tier::ns, Tier::landlock, Tier::full, {Tier::kernel, SyscallMode::rewrite},
};

}  // namespace

std::string to_string(const Column& column) {
  std::string name = to_string(column.tier);
  const bool usual = column.mode == SyscallMode::automatic || column.mode == SyscallMode::rewrite;
  return usual ? name : name + "/" + to_string(column.mode);
}

std::optional<Column> parse_column(const std::string& text) {
  const size_t slash = std::min(text.find('/'), text.size());
  const auto tier = parse_tier(text.substr(0, slash));
  if (!tier) return std::nullopt;
  Column column(*tier, *tier == Tier::kernel ? SyscallMode::rewrite : SyscallMode::automatic);
  if (slash == text.size()) return column;
  const auto mode = parse_syscall_mode(text.substr(slash + 1));
  if (!mode || *tier != Tier::kernel) return std::nullopt;
  column.mode = *mode == SyscallMode::automatic ? SyscallMode::rewrite : *mode;
  return column;
}

std::span<const Column> columns() {
  return kColumns;
}

std::string column_names() {
  std::string names;
  for (size_t i = 0; i < std::size(kColumns); ++i) {
    if (i > 0) names += i + 1 == std::size(kColumns) ? " or " : ", ";
    names += to_string(kColumns[i]);
  }
  return names;
}

}  // namespace sandstone::probe
