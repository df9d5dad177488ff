#include "libkernel/faults.h"

#include <signal.h>

#include <initializer_list>

#include "base/sys.h"

namespace sandstone::libkernel {
namespace {

// As the kernel has it: sigaction(3) would put the C library's restorer in, and the undertaker has no C
// library.
struct Action {
  lib_u64 handler, flags, restorer, mask;
};
constexpr lib_u64 sa_restorer = 0x04000000;

void swap_action(int number, const Action* action, Action* old) {
  sys::call(SYS_rt_sigaction, number, sys::word(action), sys::word(old), 8);
}

void answer(const lib_header& header, int number, lib_old_handler& old) {
  Action before{};
  swap_action(number, nullptr, &before);
  old = {before.handler, before.flags};
  // Nested faults are possible. On the kernel's stack, unless the old handler relies on a stack of its own:
  // only there can the undertaker go on with it.
  const Action action{reinterpret_cast<lib_u64>(header.on_fault),
                      SA_SIGINFO | SA_NODEFER | sa_restorer | (before.flags & SA_ONSTACK),
                      reinterpret_cast<lib_u64>(header.restorer), 0};
  swap_action(number, &action, nullptr);
}

}  // namespace

void answer_faults(const lib_header& header) {
  answer(header, SIGSEGV, header.shared->old_segv);
  answer(header, SIGBUS, header.shared->old_bus);
}

void leave_faults(const lib_header& header) {
  for (const int number : {SIGSEGV, SIGBUS}) {
    Action now{};
    swap_action(number, nullptr, &now);
    if (now.handler != reinterpret_cast<lib_u64>(header.on_fault)) continue;  // somebody came after us
    const lib_old_handler& old = number == SIGBUS ? header.shared->old_bus : header.shared->old_segv;
    struct sigaction before{};
    before.sa_flags = static_cast<int>(old.flags & ~sa_restorer);
    before.sa_handler = reinterpret_cast<void (*)(int)>(old.handler);  // NOLINT: as the kernel has it
    ::sigaction(number, &before, nullptr);
  }
}

}  // namespace sandstone::libkernel
