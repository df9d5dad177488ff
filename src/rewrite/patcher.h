// Patcher: tries the forms on one site after another, and keeps what they overwrite and displace apart.
#pragma once

#include <cstdint>
#include <vector>

#include "rewrite/rewrite.h"
#include "rewrite/text.h"
#include "rewrite/trampolines.h"
#include "rewrite/window.h"

namespace sandstone::rewrite {

class Patcher {
 public:
  // How far from a `syscall` its forms overwrite bytes; for Text::targets.
  static constexpr uint32_t kReach = 160;
  // The same for all forms but rel8.
  static constexpr uint32_t kNear = 64;

  Patcher(const Request& request, const Text& text);

  // Patches the site at `offset` if that is an instruction; gives a site even if it may be one only.
  void patch(uint32_t offset);
  [[nodiscard]] Result take();

 private:
  // Each true if it patched, and then `site` says how. `strict`: only what is as good as the `syscall`
  // itself, which is nothing that a jump can pass by, and nothing that faults.
  bool try_before(const Window& window, Site& site, bool strict);
  bool try_after(const Window& window, Site& site);
  bool try_island(Site& site);

  [[nodiscard]] bool is_free(uint32_t first, uint32_t end) const;
  void claim(uint32_t first, uint32_t end);
  // Keeps the open trampoline and overwrites 5 bytes at `offset` by a jump to it.
  [[nodiscard]] bool keep(uint32_t offset, int64_t trampoline, Site& site);

  const Text& text_;
  Decoded decoded_;
  int64_t distance_;
  Trampolines trampolines_;
  Result result_;
  std::vector<bool> claimed_;  // overwritten, or copied to a trampoline
  std::vector<Moved> islands_;
};

}  // namespace sandstone::rewrite
