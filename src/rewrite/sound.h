// What must hold of every result, whatever the text: for tests and the fuzzer. Gives what is wrong, or null.
#pragma once

#include <algorithm>
#include <cstring>

#include "rewrite/rewrite.h"

namespace sandstone::rewrite {

// Where the jump at `offset` goes: `e9` with 4 bytes of distance or `eb` with 1; -1 if it is neither.
inline int64_t jump_target(std::span<const std::byte> text, uint32_t offset) {
  if (text[offset] == std::byte{0xeb}) return int64_t{offset} + 2 + static_cast<int8_t>(text[offset + 1]);
  if (text[offset] != std::byte{0xe9}) return -1;
  int32_t distance;
  std::memcpy(&distance, text.data() + offset + 1, sizeof distance);
  return int64_t{offset} + 5 + distance;
}

inline const char* what_is_unsound(const Request& request, const Result& result) {
  if (result.text.size() != request.text.size()) return "the text's size changed";
  if (result.trampolines.size() > request.capacity) return "the trampolines take more than there is";
  std::vector<bool> may_differ(request.text.size());
  const auto overwrite = [&](uint32_t first, uint32_t length) {
    if (first > may_differ.size() || length > may_differ.size() - first) return false;
    for (uint32_t i = first; i < first + length; ++i) {
      if (may_differ[i]) return false;
      may_differ[i] = true;
    }
    return true;
  };
  uint32_t last = 0;
  for (const Site& site : result.sites) {
    if (site.offset < last || site.offset + 2 > request.text.size())
      return "a site is out of order or bounds";
    if (std::memcmp(request.text.data() + site.offset, "\x0f\x05", 2) != 0) return "a site is no syscall";
    last = site.offset + 1;
    if (site.form == Form::none) continue;
    const bool by_island = site.form == Form::rel8;
    if (!overwrite(site.patched, by_island ? 2 : 5)) return "a patch is out of bounds or over another";
    if (by_island && !overwrite(site.island, 5)) return "an island is out of bounds or over something else";
    const bool kept = site.form == Form::imm7 || site.form == Form::pre;
    if (kept ? site.patched + 5 > site.offset : site.patched != site.offset)
      return "a patch is at the wrong place";
    if (site.trampoline >= result.trampolines.size()) return "a trampoline is out of bounds";
    if (by_island && jump_target(result.text, site.patched) != site.island) return "a jump misses its island";
    if (jump_target(result.text, by_island ? site.island : site.patched) !=
        request.trampolines + site.trampoline)
      return "a jump misses its trampoline";
  }
  for (size_t i = 0; i < request.text.size(); ++i)
    if (!may_differ[i] && request.text[i] != result.text[i]) return "a byte differs that no site tells of";

  const auto size = static_cast<int64_t>(request.text.size());
  for (const Moved& one : result.moved) {
    const int64_t offset = one.now - request.trampolines;
    const bool in_trampolines = offset >= 0 && offset < static_cast<int64_t>(result.trampolines.size());
    if (!in_trampolines && (one.now < 0 || one.now >= size)) return "a moved instruction is nowhere";
    if (one.original < 0 || one.original > size) return "a moved instruction comes from nowhere";
  }
  const auto by_now = [](const Moved& a, const Moved& b) { return a.now < b.now; };
  if (!std::is_sorted(result.moved.begin(), result.moved.end(), by_now)) return "moved is not sorted";
  for (const Moved& one : result.displaced) {
    if (result.original(one.now) != one.original) return "a displaced instruction does not translate back";
    if (result.resume(one.original) != one.now) return "a displaced instruction is not found";
  }
  return nullptr;
}

}  // namespace sandstone::rewrite
