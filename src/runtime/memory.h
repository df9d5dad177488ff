// The guest's memory: what is anonymous is the host's, what is a file's is the library kernel's page cache,
// mapped from its memory file. The library kernel has the same mappings of files, and says what they may be.
#pragma once

#include "runtime/thread.h"

namespace sandstone::runtime {

// mmap(2) and its kin, with the guest's arguments.
long map(Thread* thread, uint64_t at, uint64_t size, uint64_t protection, uint64_t flags, uint64_t fd,
         uint64_t offset);
long unmap(Thread* thread, uint64_t at, uint64_t size);
long protect(Thread* thread, uint64_t at, uint64_t size, uint64_t protection);
long remap(Thread* thread, uint64_t at, uint64_t old_size, uint64_t size, uint64_t flags, uint64_t wanted);
long advise(Thread* thread, uint64_t at, uint64_t size, uint64_t advice);
long sync_memory(Thread* thread, uint64_t at, uint64_t size, uint64_t flags);
long attach(Thread* thread, uint64_t id, uint64_t at, uint64_t flags);  // shmat(2)
long detach(Thread* thread, uint64_t at);                               // shmdt(2)
long set_break(Thread* thread, uint64_t wanted);

// After a fault there: true if it was a file's page, which is there now. A fault of the run-time's own (`in_guest`
// is false) may have come while it held the lock.
bool map_file_page(Thread* thread, uint64_t where, bool in_guest);

// After the host has said EFAULT about a call with these: its own kernel asks nobody for a page that is not
// there yet. Whether it is worth to be made again.
bool touch_arguments(const uint64_t* r);

// For exec: nothing of the guest is mapped after this, and its heap will start at `start`.
void forget_all();
void start_break(uint64_t start);

}  // namespace sandstone::runtime
