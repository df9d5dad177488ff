// The first guest's standard streams: pipes of the library kernel's, or a terminal of its own, with a thread
// each that carries what goes through to the host's descriptors.
#pragma once

#include <sandstone/result.h>

#include <thread>

#include "kernel/options.h"
#include "kernel/task.h"

namespace sandstone::kernel {

class Streams {
 public:
  explicit Streams(Task& init) : init_(&init) {}
  Result<void> open(const Options& options);
  // In the first guest's task: they become 0, 1 and 2, and a terminal its session's.
  void give(Task& guest);
  void start();
  // The host's terminal has a new size, of which the guest is told by `task`, one of process 1's.
  void resize(Task task) const;
  // What the guest has written by now is on the host.
  void finish();

 private:
  Result<void> open_pipes();
  Result<void> open_terminal(uint32_t owner);

  Task* init_;
  int pipes_[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};  // of the library kernel
  int master_ = -1;                                   // of the library kernel's terminal
  char slave_[32] = {};                               // its path
  std::thread threads_[3];
};

}  // namespace sandstone::kernel
