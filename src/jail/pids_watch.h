// PidsWatch: tells a fork bomb from a workload that needs all the processes it may have, where RLIMIT_NPROC
// is the limit and no control group counts refused forks.
//
// Nobody but the forking process hears of a refused fork, and a workload at its limit may want no more. So it
// is tried: process 1 keeps one place more than the workload may have, and once the workload has been near
// its limit for half a second, leaves it for a tenth of a second, and takes it again. A place that is gone by
// then was wanted. Three such trials out of five end the sandbox; meanwhile the workload may have one process
// too many.
#pragma once

#include <cstdint>

#include "base/fd.h"

namespace sandstone::jail {

class PidsWatch {
 public:
  enum class Wish : uint8_t { none, release_slot, take_slot };  // what to tell process 1

  explicit PidsWatch(uint64_t limit) : limit_(limit) {}

  // To be called about ten times a second with the number of the workload's processes and threads.
  Wish look(uint64_t count);
  // Process 1's answer to take_slot: 0 or errno.
  void answered(int error);
  [[nodiscard]] bool holds_slot() const { return state_ == State::watching || state_ == State::held; }
  [[nodiscard]] bool is_bomb() const { return taken_ >= kTakenOfABomb; }

 private:
  enum class State : uint8_t { watching, held, open, asked };

  static constexpr int kLooksNear = 5;
  static constexpr int kTrials = 5;
  static constexpr int kTakenOfABomb = 3;

  uint64_t limit_;
  State state_ = State::watching;
  int near_ = 0;
  int trials_ = 0;
  int taken_ = 0;
};

// The processes and threads that a proc filesystem shows, open as `proc`. Stops counting at `enough`.
uint64_t count_tasks(const Fd& proc, uint64_t enough);

}  // namespace sandstone::jail
