// Notices that nobody can run the library kernel, as who holds its CPU has been stopped or gets no time.
#pragma once

#include <lib_abi.h>

#include <cstdint>

namespace sandstone::kernel {

class Watch {
 public:
  // Before the first guest, who can write to the header.
  explicit Watch(const lib_header& header);

  // About once a second. A timer that is overdue, and stays so, tells. A holder that a signal has stopped is
  // continued: the others cannot wait for whoever stopped it. Says so on standard error, as it does, once, of
  // one that is at it for long.
  void look();

 private:
  void judge(uint32_t pid);

  lib_shared* shared_;
  lib_carrier* carriers_;
  uint64_t overdue_ = 0;  // the deadline that was so at the last look
  int looks_ = 0;         // at that same one
};

}  // namespace sandstone::kernel
