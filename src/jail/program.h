// Program: what runs inside the jail in place of the command itself, for engines that stand in the jail.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "init/protocol.h"

namespace sandstone::jail {

inline constexpr int kFirstDescriptor = init::kProgramFd + 1;

struct Program {
  static constexpr int kExecutable = init::kProgramFd;  // the number of its descriptor, the others follow

  Fd executable;                       // run from here, whatever the view holds; sealed
<<<<<<< HEAD
  std::vector<Fd> descriptors;         // the program finds them from kFirstDescriptor on, in this order
  Fd frames;                           // the user network's, for a program that has an interface of its own
=======
  std::vector<Fd> descriptors;         // the program finds them from kExecutable + 1 on, in this order
>>>>>>> main
  std::vector<std::string> arguments;  // its name first; the command's words are appended
};

}  // namespace sandstone::jail
