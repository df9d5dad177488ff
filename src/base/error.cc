#include <fmt/format.h>
#include <sandstone/result.h>

#include "base/text.h"

namespace sandstone {

std::string Error::line() const {
  std::string text = where.empty() ? what : fmt::format("{}: {}", where, what);
  if (!remedy.empty()) text += fmt::format(" ({})", remedy);
  return escape_for_terminal(text);
}

}  // namespace sandstone
