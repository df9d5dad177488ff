// Program: what runs inside the jail in place of the command itself, for engines that stand in the jail.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "init/protocol.h"

namespace sandstone::jail {

inline constexpr int kFirstDescriptor = init::kProgramFd + 1;

struct Program {
  Fd executable;                       // run from here, whatever the view holds; sealed
  std::vector<Fd> descriptors;         // the program finds them from kFirstDescriptor on, in this order
  Fd frames;                           // the user network's, for a program that has an interface of its own
  std::vector<std::string> arguments;  // its name first; the command's words are appended
};

}  // namespace sandstone::jail
