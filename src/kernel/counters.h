// The sandbox's counters, read by the process that serves the devices: it shares the memory that they lie in,
// and trusts nothing there.
#pragma once

#include <sandstone/result.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "libkernel/image.h"
#include "observe/sampler.h"

namespace sandstone::kernel {

// Reads Stats. Its addresses are taken when it is made, before anybody could have changed them.
class Counters {
 public:
  // Maps the counts of calls, before the library kernel's process is forked.
  static Result<void> map();

  // `interrupt` raises one of the library kernel's.
  Counters(lib_header& header, std::function<void(unsigned)> interrupt)
      : counters_(header.counters), shared_(header.shared), interrupt_(std::move(interrupt)) {}

  // The guests are all processes of the jail but the first, this one and `kernel`.
  void except(pid_t kernel) { kernel_ = kernel; }
  // From now on the library kernel is not asked any more: it is gone, or soon will be.
  void stop_asking() { asks_ = false; }
  // False: the library kernel has told nothing yet.
  bool read(Stats& stats);

 private:
  bool read_kernels(Stats& stats);
  [[nodiscard]] uint64_t anonymous_memory() const;

  const lib_counters* counters_;
  const lib_shared* shared_;
  std::function<void(unsigned)> interrupt_;
  pid_t kernel_ = 0;
  bool asks_ = true;
};

// Writes samples: the last one to `last_fd`, as a Stats, for whoever has started the sandbox; with `lines_fd`
// also a line of JSON for each `interval`. Negative descriptors: not there.
class StatsWriter {
 public:
  StatsWriter(Counters& counters, int last_fd, int lines_fd, std::chrono::milliseconds interval);
  StatsWriter(const StatsWriter&) = delete;
  StatsWriter& operator=(const StatsWriter&) = delete;
  ~StatsWriter();  // with a last sample

 private:
  void run();
  void write();

  Counters& counters_;
  observe::Sampler sampler_;
  int last_fd_, lines_fd_;
  std::chrono::milliseconds interval_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace sandstone::kernel
