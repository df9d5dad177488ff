#include "jail/pids_watch.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/directory.h"

namespace sandstone::jail {

PidsWatch::Wish PidsWatch::look(uint64_t count) {
  switch (state_) {
    case State::watching:
      // A bomb whose processes give up when they cannot fork hovers below its limit.
      near_ = count >= limit_ - limit_ / 8 ? near_ + 1 : 0;
      if (near_ < kLooksNear) return Wish::none;
      trials_ = taken_ = 0;
      [[fallthrough]];
    case State::held:
      state_ = State::open;
      return Wish::release_slot;
    case State::open:
      state_ = State::asked;
      return Wish::take_slot;
    case State::asked:
      return Wish::none;
  }
  return Wish::none;
}

void PidsWatch::answered(int error) {
  if (state_ != State::asked) return;
  if (error == EBUSY) {
    state_ = State::open;
    return;
  }
  ++trials_;
  if (error != 0) {
    ++taken_;
    state_ = State::open;  // it is the workload's now, until it can be taken back
  } else if (trials_ < kTrials) {
    state_ = State::held;
  } else {
    state_ = State::watching;
    near_ = 0;
  }
  if (trials_ >= kTrials && !is_bomb()) trials_ = taken_ = 0;
}

uint64_t count_tasks(const Fd& proc, uint64_t enough) {
  Directory processes(proc.get());
  uint64_t count = 0;
  while (const char* name = count < enough ? processes.next() : nullptr) {
    if (name[0] < '1' || name[0] > '9') continue;
    // A folder has two links more than folders in it, and this one has a folder for each thread.
    struct stat threads{};
    if (::fstatat(proc.get(), fmt::format("{}/task", name).c_str(), &threads, 0) == 0 && threads.st_nlink > 2)
      count += threads.st_nlink - 2;
  }
  return count;
}

}  // namespace sandstone::jail
