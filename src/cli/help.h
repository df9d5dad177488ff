// The texts of --help, made from the same table that is parsed. Nothing is wider than 80 columns.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "spec/config_draft.h"

namespace sandstone::cli {

inline constexpr size_t kColumns = 80;

// `text` in lines of at most `width`, each but the first indented by `indent`.
std::string wrap(std::string_view text, size_t indent, size_t width);

std::string overview();

// "usage", a blank line, "about", and the flags in their groups.
std::string describe(std::string_view usage, std::string_view about, std::span<const Flag* const> flags);

}  // namespace sandstone::cli
