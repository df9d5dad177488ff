// The texts of --help, made from the same table that is parsed. Nothing is wider than 80 columns.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "spec/config_draft.h"

namespace sandstone::cli {

std::string overview();

// "usage", a blank line, "about", and the flags in their groups.
std::string describe(std::string_view usage, std::string_view about, std::span<const Flag* const> flags);

}  // namespace sandstone::cli
