// Tracer: reads the guests' rings of records and writes a line for each, by the process that serves the devices.
//
// A line takes a hundred times as long as the record that it is of. So one thread empties the rings, which are
// small, and another one writes, later if need be: what comes in bursts is not lost.
#pragma once

#include <sandstone/result.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "observe/ring.h"

namespace sandstone::kernel {

class Tracer {
 public:
  // Maps the rings, before the library kernel's process is forked.
  static Result<void> map_rings();

  // Starts to read. `fd` is where the lines go.
  Tracer(int fd, bool json);
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;
  // All that was recorded is written. Nobody may record any more.
  ~Tracer();

 private:
  using Records = std::vector<observe::Record>;

  void gather();
  bool drain(Records& batch);
  void hand_over(Records& batch);
  void write_all();
  void write(const Records& records) const;
  void write(const std::string& text) const;

  int fd_;
  bool json_;
  std::vector<observe::RingReader> readers_;
  uint64_t dropped_ = 0;  // the gatherer's, until its end
  std::atomic<bool> stop_{false};

  std::mutex mutex_;
  std::condition_variable changed_;
  Records waiting_;     // to be written
  bool ended_ = false;  // nothing comes any more
  std::thread writer_, gatherer_;
};

}  // namespace sandstone::kernel
