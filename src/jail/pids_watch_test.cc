#include "jail/pids_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace sandstone::jail {
namespace {

using Wish = PidsWatch::Wish;

// Looks until the watch wants something of process 1; at most so often.
Wish next_wish(PidsWatch& watch, uint64_t count, int looks = 50) {
  for (int i = 0; i < looks; ++i)
    if (const Wish wish = watch.look(count); wish != Wish::none) return wish;
  return Wish::none;
}

// How many trials with these answers it takes to call it a bomb; 0: it never does.
int trials_until_bomb(PidsWatch& watch, const std::vector<int>& answers) {
  int trial = 0;
  for (const int answer : answers) {
    ++trial;
    while (next_wish(watch, 10) != Wish::take_slot) {
    }
    watch.answered(answer);
    if (watch.is_bomb()) return trial;
  }
  return 0;
}

TEST(PidsWatch, LeavesAWorkloadBelowItsLimitAlone) {
  PidsWatch watch(50);
  EXPECT_EQ(next_wish(watch, 43, 1000), Wish::none);
  EXPECT_TRUE(watch.holds_slot());
}

TEST(PidsWatch, ABurstIsNotTried) {
  PidsWatch watch(50);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(watch.look(i % 5 == 4 ? 10 : 50), Wish::none);
}

TEST(PidsWatch, AWorkloadThatWantsNoMoreThanItsLimitIsNeverABomb) {
  for (const uint64_t limit : {1U, 2U, 50U}) {
    PidsWatch watch(limit);
    for (int i = 0; i < 100; ++i) {
      ASSERT_EQ(next_wish(watch, limit), Wish::release_slot);
      EXPECT_FALSE(watch.holds_slot());
      ASSERT_EQ(watch.look(limit), Wish::take_slot);
      watch.answered(0);
      EXPECT_TRUE(watch.holds_slot());
      EXPECT_FALSE(watch.is_bomb());
    }
  }
}

TEST(PidsWatch, ThreePlacesTakenOutOfFiveAreABomb) {
  PidsWatch all(10);
  EXPECT_EQ(trials_until_bomb(all, {EAGAIN, EAGAIN, EAGAIN}), 3);
  PidsWatch some(10);
  EXPECT_EQ(trials_until_bomb(some, {EAGAIN, 0, EAGAIN, 0, EAGAIN}), 5);
  PidsWatch few(10);
  EXPECT_EQ(trials_until_bomb(few, {EAGAIN, 0, 0, 0, EAGAIN, 0, EAGAIN, 0, 0, 0, EAGAIN, EAGAIN}), 0);
}

TEST(PidsWatch, NothingIsConcludedWhileProcess1HasNoAnswer) {
  PidsWatch watch(10);
  EXPECT_EQ(trials_until_bomb(watch, {EBUSY, EBUSY, EBUSY, EBUSY, EAGAIN, EBUSY, EAGAIN}), 0);
  for (int i = 0; i < 100; ++i) {
    watch.answered(EAGAIN);  // asked for by nobody
    EXPECT_FALSE(watch.is_bomb());
    if (watch.look(10) == Wish::take_slot) break;
  }
}

TEST(CountTasks, CountsThreadsAndStopsAtEnough) {
  const Fd proc(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::mutex mutex;
  std::condition_variable done;
  bool end = false;
  const auto wait = [&] {
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return end; });
  };
  std::vector<std::thread> threads;
  threads.reserve(20);
  for (int i = 0; i < 20; ++i) threads.emplace_back(wait);
  EXPECT_GE(count_tasks(proc, 1'000'000), 21U);
  EXPECT_EQ(count_tasks(proc, 0), 0U);
  {
    const std::lock_guard lock(mutex);
    end = true;
  }
  done.notify_all();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(count_tasks(Fd(), 10), 0U);
}

}  // namespace
}  // namespace sandstone::jail
