// SIGSEGV and SIGBUS on instructions of the library kernel are answered by the kernel itself; all others go to whoever
// handled them before.
#pragma once

#include <lib_abi.h>

namespace sandstone::libkernel {

// Installs the handlers, or takes them away again. For the whole process; `header` stays mapped in between.
void answer_faults(const lib_header& header);
void leave_faults();

}  // namespace sandstone::libkernel
