// Engine: the one interface of every tier. An engine turns a RunSpec into a running Workload; the supervisor looks after
// that, whatever stands behind it.
#pragma once

#include <poll.h>
#include <sandstone/outcome.h>
#include <sandstone/result.h>
#include <sandstone/run_spec.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "engine/recorder.h"

namespace sandstone::engine {

// The workload's ends of its standard streams. Not used with a terminal.
struct Ports {
  Fd in;
  Fd out;
  Fd err;
};

// How a workload ended, once nothing of it is left.
struct Ending {
  enum class Kind : uint8_t { exited, exec_failed, failed };
  Kind kind = Kind::failed;
  int wait_status = 0;  // exited: as wait(2) gives it
  int exec_errno = 0;   // exec_failed
  Error error;          // failed
  Usage usage;          // CPU and memory; the rest is the supervisor's
  bool out_of_memory = false;
  bool disk_full = false;
  bool forks_refused = false;
  std::optional<Stats> stats;
};

class Workload {
 public:
  Workload() = default;
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;
  virtual ~Workload() = default;  // kills what is left and waits for it

  [[nodiscard]] virtual const std::vector<std::string>& walls() const = 0;
  [[nodiscard]] virtual const std::vector<Missing>& missing() const = 0;

  // The master of the workload's terminal, once it is there.
  [[nodiscard]] virtual Fd take_terminal() = 0;

  // What to poll for, and what to do when it is ready.
  virtual void add_to(std::vector<pollfd>& polled) const = 0;
  virtual void on_ready(const pollfd& ready, Recorder& recorder) = 0;

  // Set once everything has ended and been reaped.
  [[nodiscard]] virtual const std::optional<Ending>& ending() const = 0;

  virtual void signal(int signal) = 0;  // to the main process
  virtual void kill() = 0;              // to all

  // For limits that nobody tells of by himself; to be called about ten times a second. Records those that are hit. True:
  // forks have been refused for about a second on end.
  virtual bool look_at_limits(Recorder& recorder) = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  [[nodiscard]] virtual bool serves(Tier tier) const = 0;
  // `spec` has passed check(). On an Error nothing is left behind.
  virtual Result<std::unique_ptr<Workload>> start(const RunSpec& spec, Ports ports) const = 0;
};

// All engines of this program; defined by the room above the engines (api/engines.cc), so that none is known here.
std::span<const Engine* const> engines();

Result<const Engine*> engine_for(Tier tier);

}  // namespace sandstone::engine
