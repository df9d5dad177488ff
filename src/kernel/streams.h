// The first guest's standard streams: pipes of the library kernel's, with a thread each that carries what goes through to
// the host's descriptors.
#pragma once

#include <thread>

#include "kernel/task.h"

namespace sandstone::kernel {

class Streams {
 public:
  Streams(Task& init, bool terminal);
  // In the first guest's task: they become 0, 1 and 2.
  void give(Task& guest);
  void start();
  // What the guest has written by now is on the host.
  void finish();

 private:
  Task* init_;
  bool terminal_;
  int pipes_[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};  // of the library kernel
  int master_ = -1, slave_ = -1;
  std::thread threads_[3];
};

}  // namespace sandstone::kernel
