// Recorder: one run's events on their way to the sink and, folded, into the Outcome.
#pragma once

#include <sandstone/event.h>
#include <sandstone/outcome.h>

#include <chrono>
#include <string>

namespace sandstone::engine {

class Recorder {
 public:
  explicit Recorder(EventSink sink) : sink_(std::move(sink)), start_(std::chrono::steady_clock::now()) {}

  [[nodiscard]] std::chrono::nanoseconds since_start() const {
    return std::chrono::steady_clock::now() - start_;
  }

  // A hostile workload may be refused a million times a second: equal denials are folded, and a sink hears of the 1st,
  // 2nd, 4th, 8th… of each.
  void denial(Denial denial);
  void limit(const std::string& name);  // once for each name
  void emit(Event::Kind kind, std::string text = {});

  // Moves what was collected into `outcome`.
  void finish(Outcome& outcome);

 private:
  EventSink sink_;
  std::chrono::steady_clock::time_point start_;
  std::vector<Denial> denials_;
  uint64_t dropped_ = 0;
  std::vector<std::string> limits_;
};

}  // namespace sandstone::engine
