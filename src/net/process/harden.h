// What the network process gives up before it reads the workload's first frame.
#pragma once

#include <sandstone/result.h>

namespace sandstone::net {

// First thing: no descriptors but those it was given, no terminal, no core dump, nobody may look into it.
Result<void> isolate(int last_kept_descriptor);

// Once everything is open that has to be opened: root's ids, every capability, the file system (Landlock),
// and every system call but those that moving bytes between sockets needs (seccomp). Cannot be undone.
Result<void> give_up_privileges();

}  // namespace sandstone::net
