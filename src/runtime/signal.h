// Signals of the guest's: the library kernel says which is due, and here the frame for its handler is built.
#pragma once

#include "runtime/thread.h"

namespace sandstone::runtime {

// The host's handlers, for the process and its children. Once, before the first guest.
void install_handlers();

// After a call of the library kernel's with this result: ends the thread if its task has, and delivers what
// is due. `number` is the call to make again, if that is wanted, or kNoRestart.
inline constexpr uint64_t kNoRestart = ~uint64_t{0};
void settle(Thread* thread, Context& context, uint64_t number, long result);

// Whether anything came meanwhile.
void look(Thread* thread, Context& context);

// As settle(), for a call that the host interrupted: true if the caller is to make it again at once, as
// nothing was due.
bool settle_interrupted(Thread* thread, Context& context, uint64_t number, bool restarts);

void return_from_signal(Thread* thread, Context& context);   // rt_sigreturn(2)
long set_alternate_stack(Thread* thread, Context& context);  // sigaltstack(2)
void forget_alternate_stack(Thread* thread);
void fault(Thread* thread, Context& context, int signal, int code, uint64_t address);

// Ends the guest's process as if by this signal.
[[noreturn]] void die(Thread* thread, int signal);

}  // namespace sandstone::runtime
