#include "observe/sampler.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "observe/stats_text.h"

namespace sandstone::observe {
namespace {

Stats some() {
  Stats stats;
  stats.time_ns = 2'000'000'000;
  stats.processes = 3;
  stats.context_switches = 10;
  stats.calls.imm7 = 90;
  stats.calls.post = 9;
  stats.calls.trapped = 1;
  stats.calls.by_number[SYS_read] = 60;
  stats.calls.by_number[SYS_futex] = 30;
  stats.calls.by_number[SYS_mmap] = 8;
  stats.calls.by_number[SYS_io_uring_setup] = 1;
  stats.calls.by_number[Stats::Calls::kNumbers - 1] = 1;
  stats.calls.enosys[SYS_io_uring_setup] = 1;
  count_routes(stats);
  return stats;
}

TEST(Sampler, GivesWhatWasGained) {
  Stats now = some();
  bool is_there = true;
  Sampler sampler([&](Stats& stats) {
    stats = now;
    return is_there;
  });
  auto sample = sampler.sample();
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->gained.context_switches, 10U);
  EXPECT_DOUBLE_EQ(sample->seconds, 2);
  is_there = false;
  EXPECT_FALSE(sampler.sample());
  is_there = true;
  now.time_ns += 500'000'000;
  now.context_switches = 14;
  now.calls.by_number[SYS_read] = 61;
  now.processes = 1;
  sample = sampler.sample();
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->stats.context_switches, 14U);
  EXPECT_EQ(sample->gained.context_switches, 4U);
  EXPECT_EQ(sample->gained.calls.by_number[SYS_read], 1U);
  EXPECT_EQ(sample->gained.calls.by_number[SYS_futex], 0U);
  EXPECT_EQ(sample->gained.processes, 1U);
  EXPECT_DOUBLE_EQ(sample->rate(sample->gained.context_switches), 8);
}

TEST(Sampler, WhatGoesBackHasGainedNothing) {
  Stats now = some();
  Sampler sampler([&](Stats& stats) {
    stats = now;
    return true;
  });
  (void)sampler.sample();
  now.time_ns = 1;
  now.interrupts = now.forks = now.context_switches = 0;
  now.calls.imm7 = 3;
  const auto sample = sampler.sample();
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->gained.context_switches, 0U);
  EXPECT_EQ(sample->gained.calls.imm7, 0U);
  EXPECT_EQ(sample->rate(7), 0);
}

TEST(Sampler, CountsByRouteAndForm) {
  const Stats stats = some();
  EXPECT_EQ(stats.calls.library, 60U);
  EXPECT_EQ(stats.calls.host, 30U);
  EXPECT_EQ(stats.calls.both, 8U);
  EXPECT_EQ(stats.calls.refused, 2U);
  EXPECT_EQ(stats.total_calls(), 100U);
  ASSERT_TRUE(stats.patched_share());
  EXPECT_DOUBLE_EQ(*stats.patched_share(), 0.99);
  EXPECT_FALSE(Stats().patched_share());
}

TEST(StatsText, IsJson) {
  const Stats stats = some();
  const auto json = nlohmann::json::parse(stats_json(stats));
  EXPECT_EQ(json["calls"]["by_name"]["read"], 60);
  EXPECT_EQ(json["calls"]["by_name"]["others"], 1);
  EXPECT_EQ(json["calls"]["enosys"]["io_uring_setup"], 1);
  EXPECT_EQ(json["calls"]["routes"]["host"], 30);
  EXPECT_DOUBLE_EQ(json["calls"]["patched_share"], 0.99);
  EXPECT_TRUE(nlohmann::json::parse(stats_json(Stats()))["calls"]["patched_share"].is_null());
  const auto line = nlohmann::json::parse(stats_json(Sample{stats, stats, 2}));
  EXPECT_EQ(line["since_last"]["seconds"], 2);
  EXPECT_EQ(line["since_last"]["context_switches"], 10);
}

// Every byte may be a guest's.
TEST(StatsText, IsJsonWhateverStandsThere) {
  Stats stats;
  std::memset(static_cast<void*>(&stats), 0xff, sizeof stats);
  EXPECT_TRUE(nlohmann::json::accept(stats_json(Sample{stats, gained(stats, Stats()), 0})));
  stats.load[0] = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(nlohmann::json::accept(stats_json(stats)));
  EXPECT_NE(stats_table(stats).find("ENOSYS"), std::string::npos);
}

}  // namespace
}  // namespace sandstone::observe
