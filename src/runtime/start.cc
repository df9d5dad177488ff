// The first guest of a sandbox, in the process that the kernel's own has forked for it.

#include "runtime/dispatch.h"
#include "runtime/signal.h"

namespace sandstone::runtime {

extern "C" {
[[noreturn]] void rt_go_to(uint64_t* registers);
[[noreturn]] void rt_start_on(uint64_t stack, Start* start);
extern const char rt_entry[], rt_counted[], rt_notify_end[];
}

// By notification the slots' numbers are the guests' own affair, and this is the first.
static uint64_t slot_of(const Start& start) {
  return by_notification() ? kSlots : kSlots + (start.carrier->id - 1) * kSlotSize;
}

extern "C" [[noreturn]] void rt_start_here(Start* start) {
  auto* thread = pointer<Thread>(slot_of(*start));
  threads_alive = 1;
  become(thread);
  install_handlers();
  if (by_notification()) {
    leave_kernel(start);
    begin(thread, start->task);
  } else if (start->filter != nullptr &&
             host(SYS_seccomp, 1 /* SECCOMP_SET_MODE_FILTER */, 0, word(start->filter)) < 0)
    host(SYS_exit_group, 125);
  auto* r = pointer<uint64_t>(thread->stack - sizeof(uint64_t) * kRegisters);
  Context context{r, nullptr, nullptr};
  // What the program leaves of its registers is at the top of the stack that we are on: below it is ours.
  const long result = first_program(thread, context, *start);
  if (result < 0) {
    start->error = result;
    library(thread, SYS_exit_group, 127);
    leave_host(thread);
  }
  thread->tid = thread->process = static_cast<uint32_t>(library(thread, SYS_gettid));
  thread->carrier->hold = 0;
  rt_go_to(r);
}

__attribute__((noreturn)) static void start_runtime(Start* start) {
  const uint64_t slot = slot_of(*start);
  auto* thread = pointer<Thread>(slot);
  memset(thread, 0, sizeof *thread);
  thread->self = thread;
  thread->stack = slot + kSlotSize;
  thread->carrier = start->carrier;
  if (by_notification()) {
    thread->carrier = pointer<lib_carrier>(slot + kCarrierAt);
    thread->carrier->id = thread->carrier->used = 1;
  }
  note_slot(thread);
  rt_start_on(thread->stack - 512, start);
}

extern "C" {
extern const Header rt_header;
[[gnu::section(".header"), gnu::used]] const Header rt_header{kMagic,
                                                              &boot,
                                                              start_runtime,
                                                              reinterpret_cast<uint64_t>(rt_entry),
                                                              reinterpret_cast<uint64_t>(rt_notify_end),
                                                              reinterpret_cast<uint64_t>(rt_counted)};
}

}  // namespace sandstone::runtime
