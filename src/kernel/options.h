// What `sandstone-kernel` is told on its command line by the engine that starts it inside the jail.
#pragma once

#include <sandstone/result.h>

#include <string>
#include <vector>

#include "runtime/runtime.h"

namespace sandstone::kernel {

struct Options {
  int image_fd = -1;             // the library kernel's image
  uint64_t memory = 1ULL << 30;  // of the library kernel, taken from the host as it is used
  runtime::Mode mode = runtime::Mode::trap;
  bool verbose = false;          // the library kernel's console goes to standard error
  bool terminal = false;         // descriptor 0 is a terminal, and the guest gets one
  bool allow_writable_code = true;
  std::string hostname = "sandstone";
  std::string folder = "/";      // the working folder
  std::vector<std::string> writable;   // folders below which the guest's writing goes to the jail's own
  std::vector<std::string> tmpfs;
  std::vector<std::string> command;
};

Result<Options> parse(int argc, char** argv);

}  // namespace sandstone::kernel
