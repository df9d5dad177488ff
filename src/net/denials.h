// Denials: what was refused, told to the supervisor without letting the workload flood it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

namespace sandstone::net {

struct NetDenial {
  std::string operation;  // "connect", "send" or "dns"
  std::string subject;    // an address, a name: hostile text
  uint64_t count = 1;
};

// The first denials of a second are told at once, before the workload learns of the refusal, so that whoever
// waits for its end has them all. Beyond that they are counted by subject and told when the second is over;
// beyond a number of subjects they are counted together.
class Denials {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Sink = std::function<void(const NetDenial&)>;

  explicit Denials(Sink sink) : sink_(std::move(sink)) {}

  void add(const char* operation, std::string subject, Time now);
  void tick(Time now);  // tells what was counted, if it is time
  void flush();         // tells it in any case
  [[nodiscard]] bool pending() const { return !counted_.empty(); }

  static constexpr unsigned kPerSecond = 50;
  static constexpr size_t kSubjects = 64;
  static constexpr size_t kSubjectBytes = 512;

 private:
  Sink sink_;
  Time second_;
  unsigned told_ = 0;
  std::map<std::pair<std::string, std::string>, uint64_t> counted_;
};

}  // namespace sandstone::net
