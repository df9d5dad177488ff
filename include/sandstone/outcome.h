// Outcome: how a run ended, why, behind which walls, and what it used.
#pragma once

#include <sandstone/event.h>
#include <sandstone/run_spec.h>
#include <sandstone/stats.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sandstone {

// The cause of the end. Exit statuses follow docker's and timeout(1)'s conventions.
enum class Cause : uint8_t {
  exited,          // the command's own status, 0..255
  signaled,        // 128 + signal
  timeout,         // 124: limits.timeout
  memory,          // 137: limits.memory_bytes, the kernel ended the sandbox
  pids,            // 137: limits.pids was hit for a second on end: a fork bomb
  output,          // 137: limits.output_bytes
  killed,          // 137: Sandbox::kill()
  not_executable,  // 126
  not_found,       // 127
  failed,          // 125: Sandstone itself; Outcome::error says what
};

// A wall or limit that was asked for and is not in force (only with RunSpec::best_effort).
struct Missing {
  std::string wall;
  std::string reason;
  std::string remedy;
};

struct Usage {
  std::chrono::nanoseconds wall{};
  std::chrono::nanoseconds user_cpu{};    // all processes that were waited for
  std::chrono::nanoseconds system_cpu{};
  uint64_t peak_memory_bytes = 0;         // of the cgroup; without one, of the largest process
  bool peak_memory_is_total = false;      // true: the cgroup's figure
  uint64_t output_bytes = 0;              // what passed through pipes or the pty
};

struct Outcome {
  Cause cause = Cause::failed;
  int exit_status = 125;                  // what the command line exits with
  int signal = 0;                         // cause signaled: which
  Tier tier = Tier::full;
  std::vector<std::string> walls;         // in force, in the order they were raised
  std::vector<Missing> missing;
  std::vector<std::string> limits_hit;    // "memory", "pids", "disk", "output", "timeout"
  Usage usage;
  std::vector<Denial> denials;            // folded; at most kMaxDenials, the rest counted below
  uint64_t denials_dropped = 0;
  std::optional<Stats> stats;             // with RunSpec::stats: at the end, or a moment before one by force
  Error error;                            // causes failed, not_executable and not_found

  static constexpr size_t kMaxDenials = 1000;
};

[[nodiscard]] const char* to_string(Cause cause);

}  // namespace sandstone
