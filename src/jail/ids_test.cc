#include "jail/ids.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <sstream>

namespace sandstone::jail {
namespace {

constexpr uint32_t kNobody = 65534;

// As the kernel reads a map: the id that `id` is mapped to.
std::optional<uint32_t> look_up(const std::string& map, uint32_t id) {
  std::istringstream lines(map);
  std::optional<uint32_t> found;
  uint32_t first = 0;
  uint32_t to = 0;
  uint32_t count = 0;
  while (lines >> first >> to >> count) {
    if (id < first || id - first >= count) continue;
    EXPECT_FALSE(found) << "two lines map " << id << ":\n" << map;
    found = to + (id - first);
  }
  return found;
}

// The map the other way round.
std::string reversed(const std::string& map) {
  std::istringstream lines(map);
  std::string turned;
  uint32_t first = 0;
  uint32_t to = 0;
  uint32_t count = 0;
  while (lines >> first >> to >> count)
    turned += std::to_string(to) + " " + std::to_string(first) + " " + std::to_string(count) + "\n";
  return turned;
}

// What a file's owner on disk looks like inside.
std::optional<uint32_t> shown(uint32_t owner, uint32_t inside, uint32_t disk) {
  const auto host = look_up(tree_map(owner, inside, kNobody, true), disk);
  return host ? look_up(reversed(workload_map(inside, kNobody, true)), *host) : std::nullopt;
}

TEST(Ids, WithoutARangeOneIdIsMapped) {
  EXPECT_EQ(workload_map(1000, kNobody, false), "1000 65534 1\n");
  EXPECT_EQ(tree_map(0, 1000, kNobody, false), "0 65534 1\n");
}

TEST(Ids, TheWorkloadIsNobodyAndNoOtherIdIsAHostsOwn) {
  for (uint32_t inside : {0U, 1U, 1000U, 65534U, 65535U, 70000U}) {
    const auto map = workload_map(inside, kNobody, true);
    EXPECT_EQ(look_up(map, inside), kNobody) << map;
    for (uint32_t id : {0U, 1U, 2U, 999U, 1000U, 1001U, 65533U, 65534U, 65535U})
      EXPECT_EQ(look_up(map, id), id == inside ? kNobody : kRangeBase + id) << map;
  }
}

TEST(Ids, ATreeOfRootsIsShownAsItIs) {
  for (uint32_t inside : {0U, 1U, 1000U})
    for (uint32_t disk : {0U, 1U, 2U, 33U, 999U, 1000U, 1001U, 65534U, 65535U})
      EXPECT_EQ(shown(0, inside, disk), disk);
}

TEST(Ids, TheOwnerOfATreeIsItsRoot) {
  EXPECT_EQ(shown(1000, 0, 1000), 0U);
  EXPECT_EQ(shown(1000, 0, 0), 1000U);
  EXPECT_EQ(shown(1000, 0, 999), 999U);
  EXPECT_EQ(shown(1000, 0, 1001), 1001U);
  EXPECT_EQ(shown(1000, 1000, 1000), 0U);
  EXPECT_EQ(shown(1, 1000, 1), 0U);
  EXPECT_EQ(shown(100000, 0, 100000), 0U);
  EXPECT_EQ(shown(100000, 0, 0), std::nullopt);
  EXPECT_EQ(shown(100000, 0, 5), 5U);
}

TEST(Ids, EveryLineOfATreesMapHasATargetOfItsOwn) {
  for (uint32_t owner : {0U, 1U, 2U, 1000U, 65534U, 65535U, 65536U, 100000U}) {
    for (uint32_t inside : {0U, 1U, 1000U, 65534U, 65535U, 70000U}) {
      const auto map = tree_map(owner, inside, kNobody, true);
      std::istringstream lines(map);
      uint64_t first = 0;
      uint64_t to = 0;
      uint64_t count = 0;
      std::vector<std::pair<uint64_t, uint64_t>> targets;
      while (lines >> first >> to >> count) {
        EXPECT_GT(count, 0U) << map;
        for (const auto& [begin, end] : targets) EXPECT_TRUE(to >= end || to + count <= begin) << map;
        targets.emplace_back(to, to + count);
      }
    }
  }
}

}  // namespace
}  // namespace sandstone::jail
