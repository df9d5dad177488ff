// The supervisor: the loop that looks after one workload from its start to its Outcome.
#pragma once

#include <sandstone/event.h>
#include <sandstone/outcome.h>
#include <sandstone/run_spec.h>

#include <memory>
#include <vector>

#include "base/fd.h"
#include "engine/engine.h"
#include "engine/recorder.h"
#include "engine/relay.h"

namespace sandstone::engine {

// What reaches the supervisor from its own side, other than through the workload.
struct Controls {
  Fd requests;       // packets of one int: a signal for the main process, or kKill for all; invalid: none
  int signals = -1;  // signalfd(2) with signals to forward; not owned
  static constexpr int kKill = -1;
};

// The caller's side of a workload's terminal.
class TerminalHost {
 public:
  virtual ~TerminalHost() = default;
  virtual void attach(Fd master) = 0;
  virtual void resized() = 0;
  virtual Relay* input() = 0;
  virtual Relay* output() = 0;
};

class Supervisor {
 public:
  Supervisor(const RunSpec& spec, EventSink sink) : spec_(spec), recorder_(std::move(sink)) {
    if (spec.limits.output_bytes) output_budget_.left = *spec.limits.output_bytes;
  }
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  void add_output(Relay relay) { outputs_.push_back(std::move(relay)); }
  void set_input(Relay relay) { input_ = std::make_unique<Relay>(std::move(relay)); }
  void set_terminal(TerminalHost* terminal) { terminal_ = terminal; }

  // Starts the workload. On an Error nothing runs.
  Result<void> start(const Engine& engine, Ports ports);
  // Runs until everything has ended.
  Outcome run(Controls controls);

 private:
  void turn(const Controls& controls);
  void deliver_rest(const Controls& controls);
  static bool asks_for_the_end(const Controls& controls, int ready);
  void on_request(const Controls& controls);
  void on_signal(const Controls& controls);
  void watch_limits();
  [[nodiscard]] bool has_to_look() const { return spec_.limits.pids || spec_.limits.disk_bytes; }
  void end_for(Cause cause, const char* limit);
  [[nodiscard]] uint64_t carried() const;
  [[nodiscard]] int poll_timeout() const;
  void conclude(Outcome& outcome);

  const RunSpec& spec_;
  Recorder recorder_;
  std::unique_ptr<Workload> workload_;
  OutputBudget output_budget_;
  std::vector<Relay> outputs_;
  std::unique_ptr<Relay> input_;
  TerminalHost* terminal_ = nullptr;
  std::optional<Cause> ended_for_;
  std::chrono::nanoseconds next_look_{};
  std::vector<pollfd> polled_;
};

}  // namespace sandstone::engine
