// Program: what runs inside the jail in place of the command itself, for engines that stand in the jail.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "init/protocol.h"

namespace sandstone::jail {

struct Program {
  static constexpr int kExecutable = init::kProgramFd;  // the number of its descriptor, the others follow

  Fd executable;                       // run from here, whatever the view holds; sealed
  std::vector<Fd> descriptors;         // the program finds them from kExecutable + 1 on, in this order
  std::vector<std::string> arguments;  // its name first; the command's words are appended
  bool serves_calls = false;           // answers its children's calls by a seccomp listener (walls::serving_filter)
};

}  // namespace sandstone::jail
