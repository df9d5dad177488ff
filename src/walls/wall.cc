#include "walls/wall.h"

#include <fmt/format.h>

#include "walls/setup.h"

namespace sandstone::walls {

Support Wall::support_for(const RunSpec&) const {
  return support();
}
bool Wall::needed(const RunSpec&) const {
  return true;
}
Result<void> Wall::build(Setup&) {
  return {};
}
bool Wall::raise(Child&) noexcept {
  return true;
}

Error unavailable(const Wall& wall, const Support& support) {
  constexpr const char* kGoOn = "--best-effort goes on without";
  return {fmt::format("wall {}", wall.name()), support.reason,
          support.remedy.empty() ? kGoOn : fmt::format("{}; {}", support.remedy, kGoOn)};
}

namespace {

template <size_t N>
void copy_text(std::array<char, N>& to, const char* from) noexcept {
  size_t i = 0;
  for (; from[i] != '\0' && i + 1 < N; ++i) to[i] = from[i];
  to[i] = '\0';
}

}  // namespace

bool Child::fail(int negative_errno, const char* step, const char* subject) noexcept {
  failure.error = -negative_errno;
  copy_text(failure.step, step);
  copy_text(failure.subject, subject);
  return false;
}

}  // namespace sandstone::walls
