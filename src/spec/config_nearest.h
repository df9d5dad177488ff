// "Did you mean ...?"
#pragma once

#include <string_view>
#include <vector>

namespace sandstone {

// The one of `names` that `text` was most likely meant to be; empty if none is near.
std::string_view nearest(std::string_view text, const std::vector<std::string_view>& names);

}  // namespace sandstone
