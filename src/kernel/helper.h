// Threads of process 1's for this process's own work: none of them shows in /proc as a process.
#pragma once

#include <sched.h>

#include "kernel/task.h"

namespace sandstone::kernel {

inline Task helper_of(Task& init) {
  const int pid =
      init.clone(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM);
  return pid > 0 ? Task::adopt(init.header(), pid) : Task(init.header(), nullptr);
}

}  // namespace sandstone::kernel
