// Who the first guest is, and its variables, where an image has a say in them.
#pragma once

#include <sandstone/result.h>

#include <string>
#include <vector>

#include "kernel/options.h"
#include "kernel/task.h"

namespace sandstone::kernel {

struct Identity {
  uint32_t uid = 0, gid = 0;
  std::vector<uint32_t> groups;  // beside `gid`
  std::string name, home;        // empty: not known
};

// `user` as docker reads it: NAME|UID[:GROUP|GID] of the passwd and group of the task's root. Both may say anything.
Result<Identity> look_up(Task& init, const std::string& user);

// The variables of the options and of who that is become this process's, whose are the command's.
void set_variables(const Options& options, const Identity& identity);

}  // namespace sandstone::kernel
