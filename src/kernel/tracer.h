// Tracer: reads the guests' rings of records and writes a line for each, by the process that serves the
// devices.
#pragma once

#include <sandstone/result.h>

#include <atomic>
#include <cstdint>
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
  void run();
  bool drain();
  void write(const std::string& text) const;

  int fd_;
  bool json_;
  uint64_t dropped_ = 0;
  std::vector<observe::RingReader> readers_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace sandstone::kernel
