#include "libkernel/faults.h"

#include <signal.h>
#include <ucontext.h>

#include <array>
#include <atomic>

namespace sandstone::libkernel {
namespace {

std::atomic<const lib_header*> kernel;
struct sigaction old_segv, old_bus;

// What the program would have seen without us.
void pass_on(int number, siginfo_t* info, void* context) {
  const struct sigaction& old = number == SIGSEGV ? old_segv : old_bus;
  if ((old.sa_flags & SA_SIGINFO) != 0 && old.sa_sigaction != nullptr) {
    old.sa_sigaction(number, info, context);
  } else if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN) {
    old.sa_handler(number);
  } else {
    ::signal(number, SIG_DFL);  // the instruction faults again, and ends the process
  }
}

void on_fault(int number, siginfo_t* info, void* context) {
  const lib_header* header = kernel.load(std::memory_order_relaxed);
  auto* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  if (header != nullptr) {
    const auto ip = static_cast<lib_u64>(registers[REG_RIP]);
    const lib_u64 next = header->fault(ip, reinterpret_cast<lib_u64>(info->si_addr),
                                       reinterpret_cast<lib_u64*>(registers));
    if (next != 0) {
      registers[REG_RIP] = static_cast<greg_t>(next);
      return;
    }
  }
  pass_on(number, info, context);
}

}  // namespace

void answer_faults(const lib_header& header) {
  kernel = &header;
  struct sigaction action{};
  action.sa_sigaction = on_fault;
  // Nested faults are possible (the handler itself reads page tables), and others' signals may wait.
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGSEGV, &action, &old_segv);
  ::sigaction(SIGBUS, &action, &old_bus);
}

void leave_faults() {
  kernel = nullptr;
  ::sigaction(SIGSEGV, &old_segv, nullptr);
  ::sigaction(SIGBUS, &old_bus, nullptr);
}

}  // namespace sandstone::libkernel
