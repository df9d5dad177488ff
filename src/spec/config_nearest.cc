#include "spec/config_nearest.h"

#include <algorithm>

namespace sandstone {
namespace {

// Insertions, deletions, replacements and swaps of neighbours (the optimal string alignment distance).
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before, last(b.size() + 1), now(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = std::min(now[j], before[j - 2] + 1);
    }
    before = last;
    last = now;
  }
  return last[b.size()];
}

}  // namespace

std::string_view nearest(std::string_view text, const std::vector<std::string_view>& names) {
  constexpr size_t kLongestName = 40;  // longer text is no slip of the keyboard, and would cost its square
  if (text.size() > kLongestName) return {};
  std::string_view best;
  size_t least = std::max<size_t>(1, text.size() / 3) + 1;
  for (const auto name : names) {
    if (const size_t steps = distance(text, name); steps < least) {
      least = steps;
      best = name;
    }
  }
  return best;
}

}  // namespace sandstone
