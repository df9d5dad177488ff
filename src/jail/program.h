// Program: what runs inside the jail in place of the command itself, for engines that stand in the jail.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "init/protocol.h"

namespace sandstone::jail {

struct Program {
  static constexpr int kExecutable = init::kProgramFd;  // the number of its descriptor
  static constexpr int kFirst = kExecutable + 1;        // of the others

  Fd executable;                       // run from here, whatever the view holds; sealed
  std::vector<Fd> descriptors;         // the program finds them from kFirst on, in this order
  Fd frames;                           // the user network's, for a program that has an interface of its own
  std::vector<std::string> arguments;  // its name first; the command's words are appended
  bool serves_calls = false;  // answers its children's calls by a seccomp listener (walls::serving_filter)
};

}  // namespace sandstone::jail
