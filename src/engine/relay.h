// Relay: carries bytes one way between a descriptor of the caller's and a pipe or pty of the workload's, so
// that the workload never holds, and cannot reopen through /proc/self/fd, what the caller has open.
#pragma once

#include <poll.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "engine/sink.h"

namespace sandstone::engine {

// What may still be printed, by all of a run's outputs together.
struct OutputBudget {
  uint64_t left = UINT64_MAX;
  bool exceeded = false;
};

class Relay {
 public:
  // Neither descriptor needs to be non-blocking, and none is made so: the caller shares its own with others.
  Relay(Fd from, Fd to) : from_(std::move(from)), to_(std::move(to)) {}

  // From now on what is carried comes out of `budget`, which must live as long; what exceeds it is dropped.
  void charge(OutputBudget& budget) { budget_ = &budget; }

  [[nodiscard]] bool open() const { return from_.valid(); }
  [[nodiscard]] uint64_t carried() const { return carried_; }

  void add_to(std::vector<pollfd>& polled) const;
  // Does what can be done without blocking. Closes both ends at end of file or when the reader has gone.
  void on_ready(const pollfd& ready);
  // The workload has ended: what is in the pipe now is all that will come, whoever still holds its other end.
  // Closes once that is written, which may be at once.
  void finish();
  // Gives up on the reader, and on what it has not taken.
  void close();

 private:
  [[nodiscard]] bool pending() const { return begin_ < end_; }
  bool fill();   // false: end of file
  bool flush();  // false: nobody reads any more
  void carry_rest();

  static constexpr size_t kBuffer = 64 << 10;
  Fd from_;
  Sink to_;
  bool finishing_ = false;
  std::unique_ptr<char[]> buffer_;  // not zeroed: a page of it costs something only once bytes come
  size_t begin_ = 0;
  size_t end_ = 0;
  uint64_t carried_ = 0;
  OutputBudget* budget_ = nullptr;
};

}  // namespace sandstone::engine
