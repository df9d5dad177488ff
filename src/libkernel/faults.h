// SIGSEGV and SIGBUS on instructions of the library kernel are answered by the kernel itself, by a handler
// that lies in its image; all others go to whoever handled them before.
#pragma once

#include <lib_abi.h>

namespace sandstone::libkernel {

// Installs the handler for the whole process, or gives back what was there before. `header` stays mapped in
// between.
void answer_faults(const lib_header& header);
void leave_faults(const lib_header& header);

}  // namespace sandstone::libkernel
