// Event: what happens in a run, as it happens. Every room drops events into one sink.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace sandstone {

// Something that the workload tried and a wall refused.
struct Denial {
  std::chrono::nanoseconds since_start{};  // monotonic, from the start of the run
  pid_t pid = 0;          // as the host sees it; 0 if not known
  std::string wall;       // "seccomp", "network", ...
  std::string operation;  // the syscall's name, or "connect", "dns"
  std::string subject;    // path, address or argument, unescaped: hostile text, escape before printing
  uint64_t count = 1;     // equal denials in a row are folded
};

struct Event {
  enum class Kind : uint8_t { started, denial, limit, output_closed, exited, note };
  Kind kind = Kind::note;
  std::chrono::nanoseconds since_start{};
  std::string text;  // kind limit: the limit's name; note: one line
  Denial denial;     // kind denial
};

// Called from the thread that supervises the run, one event at a time; must not block for long.
using EventSink = std::function<void(const Event&)>;

[[nodiscard]] const char* to_string(Event::Kind kind);

}  // namespace sandstone
