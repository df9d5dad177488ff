#include "jail/ids.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/fd.h"

namespace sandstone::jail {
namespace {

// A root caller's sandbox is nobody on the host: root outside would need only one mistake of ours.
constexpr User kNobody{65534, 65534};

// Root in a user namespace of its own, with few ids in it, can map no other id than its own: to the kernel it
// is an ordinary user.
bool has_nobody() {
  auto text = read_file("/proc/self/uid_map");
  if (!text) return false;
  const char* at = text->c_str();
  unsigned inside = 0;
  unsigned outside = 0;
  unsigned count = 0;
  for (int used = 0; std::sscanf(at, "%u %u %u%n", &inside, &outside, &count, &used) == 3; at += used)
    if (kNobody.uid >= inside && kNobody.uid - inside < count) return true;
  return false;
}

}  // namespace

void choose_ids(walls::Setup& setup) {
  const RunSpec& spec = setup.spec;
  setup.caller_is_root = ::geteuid() == 0 && has_nobody();
  // A tree's files are its root's, and its programs expect to be that (docs/decisions/0007-ids.md).
  setup.inside = spec.user.value_or(spec.rootfs.empty() ? User{} : User{0, 0});
  setup.outside = setup.caller_is_root ? kNobody : User{::geteuid(), ::getegid()};
  setup.home = setup.inside.uid == 0 ? "/root" : "/home/sandbox";
  // RLIMIT_NPROC counts processes by id: a workload that could change its own would not be limited.
  const bool counted_by_id = setup.counts_processes && !setup.has("capabilities");
  setup.has_id_range = setup.caller_is_root && !spec.rootfs.empty() && !counted_by_id;
}

uint32_t on_host(uint32_t id, uint32_t inside, uint32_t outside, bool range) {
  return id == inside || !range ? outside : kRangeBase + id;
}

std::string workload_map(uint32_t inside, uint32_t outside, bool range) {
  std::string own = fmt::format("{} {} 1\n", inside, outside);
  if (!range) return own;
  const uint32_t below = std::min(inside, kRangeSize);
  std::string map;
  if (below > 0) map += fmt::format("0 {} {}\n", kRangeBase, below);
  map += own;
  if (inside + 1 < kRangeSize)
    map += fmt::format("{} {} {}\n", inside + 1, kRangeBase + inside + 1, kRangeSize - inside - 1);
  return map;
}

std::string tree_map(uint32_t owner, uint32_t inside, uint32_t outside, bool range) {
  if (!range) return fmt::format("{} {} 1\n", owner, outside);
  const auto shown_as = [&](uint32_t disk) { return disk == owner ? 0 : disk == 0 ? owner : disk; };
  // Between these the map is a straight line.
  std::array<uint32_t, 7> breaks{0, 1, owner, owner + 1, inside, inside + 1, kRangeSize};
  std::sort(breaks.begin(), breaks.end());
  std::string map;
  for (size_t i = 0; i + 1 < breaks.size() && breaks[i] < kRangeSize; ++i) {
    const uint32_t begin = breaks[i];
    const uint32_t end = std::min(breaks[i + 1], kRangeSize);
    const bool exists = shown_as(begin) < kRangeSize || shown_as(begin) == inside;
    if (begin < end && exists)
      map += fmt::format("{} {} {}\n", begin, on_host(shown_as(begin), inside, outside, true), end - begin);
  }
  if (owner >= kRangeSize) map += fmt::format("{} {} 1\n", owner, on_host(0, inside, outside, true));
  return map;
}

}  // namespace sandstone::jail
