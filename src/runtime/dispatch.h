// The one dispatcher: whatever way a call came in, it is decided here by the table (calls/table.h) who serves
// it.
#pragma once

#include "runtime/thread.h"

namespace sandstone::runtime {

// Makes the call that is in the registers, and leaves them as they are to be when the guest goes on.
void dispatch(Thread* thread, Context& context);

// notify.cc, for Mode::notify; the second does nothing in the others.
void leave_kernel(
    Start* start);  // the first guest: out of reach of what it was forked from, and behind its filter
void begin(Thread* thread, uint64_t task);

// process.cc
long clone(Thread* thread, Context& context, uint64_t number);
void execute(Thread* thread, Context& context, uint64_t number);
// For an exec by a process that shares its memory with another: goes on in a new one of the host's, with a
// copy. False: the host refuses.
bool move_out(Thread* thread);
long first_program(Thread* thread, Context& context, const Start& start);

// One line to standard error, for what must never happen.
void report(const char* text, uint64_t a, uint64_t b);

}  // namespace sandstone::runtime
