// Rewritten text in a guest: mapped in place of a file's own, and addresses in it translated for signal
// frames.
#pragma once

#include "runtime/thread.h"

namespace sandstone::runtime {

// When [at, at + size) becomes executable, from `offset` of the file `fd`: maps the rewritten text there, if
// there is any. False: the file's own is to be mapped. memory_lock is held.
bool patch(Thread* thread, uint64_t at, uint64_t size, uint64_t fd, uint64_t offset, uint64_t protection);
void forget_patches(uint64_t at, uint64_t size);  // that is unmapped now
void forget_all_patches();                        // and so is everything

// Where a program would be that is at `ip`, if nothing were rewritten; and where to go on to go on there.
uint64_t original_address(uint64_t ip);
uint64_t resume_address(uint64_t ip);

}  // namespace sandstone::runtime
