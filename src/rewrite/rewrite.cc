#include "rewrite/rewrite.h"

#include <algorithm>

#include "rewrite/patcher.h"

namespace sandstone::rewrite {
namespace {

constexpr int64_t kFurthest = int64_t{1} << 30;
constexpr size_t kMostRoom = 1 << 28;  // Moved has 32 bits for distance and room together
// libc has 526 sites, no library more. Each takes some 10 us to look at, and a hostile text may be full of
// them.
constexpr size_t kMostCandidates = 1 << 15;
constexpr size_t kLeastRoom = 64;  // of the trampolines: the entries' addresses and something that uses one

bool makes_sense(const Request& request) {
  if (request.text.empty() || request.text.size() > static_cast<size_t>(kFurthest)) return false;
  if (request.trampolines < -kFurthest || request.trampolines > kFurthest) return false;
  if (request.capacity < kLeastRoom || request.capacity > kMostRoom) return false;
  const auto size = static_cast<int64_t>(request.text.size());
  const auto room = static_cast<int64_t>(request.capacity);
  return request.trampolines >= size || request.trampolines + room <= 0;
}

void add_offsets(std::vector<uint32_t>& to, std::span<const uint64_t> offsets, size_t size) {
  for (const uint64_t offset : offsets)
    if (offset < size) to.push_back(static_cast<uint32_t>(offset));
}

void sort_once(std::vector<uint32_t>& offsets) {
  std::sort(offsets.begin(), offsets.end());
  offsets.erase(std::unique(offsets.begin(), offsets.end()), offsets.end());
}

}  // namespace

Result rewrite(const Request& request) {
  const auto unchanged = [&request] {
    Result nothing;
    nothing.text.assign(request.text.begin(), request.text.end());
    return nothing;
  };
  if (!makes_sense(request)) return unchanged();
  std::vector<uint32_t> candidates = find_candidates(request.text);
  if (candidates.size() > kMostCandidates) candidates.resize(kMostCandidates);
  if (candidates.empty()) return unchanged();

  Text text{.bytes = request.text,
            .null = static_cast<int64_t>(-request.address),
            .starts = {},
            .targets = find_far_targets(request.text, candidates, Patcher::kReach)};
  add_offsets(text.starts, request.starts, request.text.size());
  add_offsets(text.targets, request.starts, request.text.size());
  add_offsets(text.targets, request.landings, request.text.size());
  sort_once(text.starts);
  sort_once(text.targets);

  Patcher patcher(request, text);
  for (const uint32_t candidate : candidates) patcher.patch(candidate);
  return patcher.take();
}

bool has_calls(std::span<const std::byte> bytes) {
  const Text text{.bytes = bytes};
  Decoded decoded(bytes);
  const std::vector<uint32_t> candidates = find_candidates(bytes);
  return std::any_of(candidates.begin(), candidates.end(), [&](uint32_t offset) {
    return Window(text, decoded, offset, Patcher::kNear).at(offset) != nullptr;
  });
}

std::optional<int32_t> Result::original(int32_t now) const {
  const auto at = std::lower_bound(moved.begin(), moved.end(), now,
                                   [](const Moved& one, int32_t offset) { return one.now < offset; });
  if (at == moved.end() || at->now != now) return std::nullopt;
  return at->original;
}

int32_t Result::resume(int32_t address) const {
  const auto at = std::lower_bound(displaced.begin(), displaced.end(), address,
                                   [](const Moved& one, int32_t offset) { return one.original < offset; });
  return at == displaced.end() || at->original != address ? address : at->now;
}

}  // namespace sandstone::rewrite
