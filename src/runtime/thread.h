// A guest's thread: its slot in the shared area, its carrier into the library kernel, and the registers that
// it came with.
#pragma once

#include "runtime/host.h"
#include "runtime/runtime.h"

namespace sandstone::runtime {

// Registers of the guest, in the order of the host's signal frames (<sys/ucontext.h>, REG_…).
enum Register {
  R8,
  R9,
  R10,
  R11,
  R12,
  R13,
  R14,
  R15,
  RDI,
  RSI,
  RBP,
  RBX,
  RDX,
  RAX,
  RCX,
  RSP,
  RIP,
  FLAGS,
  SEGMENTS,
  ERROR,
  TRAP,
  OLD_MASK,
  CR2,
  kRegisters
};

// One entry from the guest.
struct Context {
  uint64_t* r;  // Register
  uint8_t* fp;  // its vector state, in a signal frame; null: it is live in the registers
  void* frame;  // the host's ucontext; null: it came by call
};

// At the start of a slot. The first words are known to entry.S.
struct Thread {
  Thread* self;
  uint64_t stack;  // top of the stack for calls that came by call
  uint64_t guest_sp;
  uint32_t kicked;  // look for signals before going back to the guest
  uint32_t tid;     // as the guest knows it
  lib_carrier* carrier;
  uint64_t alternate, alternate_size;  // the guest's sigaltstack
  int64_t result;                      // see has_result
  uint32_t vfork_done;                 // futex: the child that shares our fate until then has gone on
  Thread* vfork_parent;                // to tell so
  uint64_t robust_list;
  uint64_t child_tid;      // to fill in at the start
  uint64_t task;           // to begin with
  uint32_t process;        // its process, as the guest knows it
  bool shares_memory;      // with another process: vfork(2), or clone(2) with CLONE_VM alone
  bool copies_memory;      // at its start: a process like fork(2)'s
  bool alternate_disarms;  // SS_AUTODISARM: a handler that runs there finds none
  bool has_result;         // of a call that ends in a handler
  bool stepping;           // the guest steps through its text, and what serves a call does not
};

inline constexpr uint64_t kHostStackAt =
    4096;  // the host's alternate stack in a slot; the other stack follows
inline constexpr uint64_t kHostStackSize = 28 << 10;

// What the host is told of it (sigaltstack(2)): from the library kernel's first byte on, as its stacks are
// below. A second signal that comes while a handler is there goes below it, and not to the top. So a handler
// need not tell the host that it has left this stack.
struct HostStack {
  uint64_t at;
  uint32_t flags, unused;
  uint64_t size;
};
inline HostStack host_stack_of(const Thread* thread) {
  return {LIB_BASE, 0, 0, reinterpret_cast<uint64_t>(thread) + kHostStackAt + kHostStackSize - LIB_BASE};
}

extern Boot boot;

inline Thread* current() {
  Thread* thread = nullptr;
  asm("movq %%gs:0, %0" : "=r"(thread));
  return thread;
}

// A system call, or one of LIB_CALL_…, by the library kernel, as a part of what one call of the guest's
// takes: signals that are due wait until settle() (signal.h).
long library(Thread* thread, uint64_t number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0,
             uint64_t e = 0, uint64_t f = 0);

// The guest's own call: a signal that is due is in the carrier then.
inline long library_as_guest(Thread* thread, uint64_t number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0,
                             uint64_t d = 0, uint64_t e = 0, uint64_t f = 0) {
  return boot.enter(thread->carrier, number, a, b, c, d, e, f);
}

inline bool by_notification() {
  return boot.mode == Mode::notify;
}

// Reserves a carrier and its slot; null: all are taken. Nobody makes calls with it yet.
Thread* take_thread();
void give_back(Thread* thread);
void note_slot(const Thread* thread);  // whoever reads the trace or the counts looks into its own
// On the thread itself: its stacks and its place in %gs. Before anybody could send it a signal.
void become(Thread* thread);
[[noreturn]] void leave_host(Thread* thread);  // its task has ended

// Copies that end at a bad address: false.
extern "C" bool guarded_copy(void* to, const void* from, uint64_t size);
// How many bytes there were before a bad address.
extern "C" uint64_t guarded_count(void* to, const void* from, uint64_t size);
inline bool put_word(uint64_t address, uint32_t value) {
  return guarded_copy(pointer(address), &value, sizeof value);
}

// A short critical section between the threads of a process.
class Lock {
 public:
  void lock();
  void unlock();
  // Of a new process. It writes only what it must: the page would be copied.
  void reset() {
    if (word_ != 0) word_ = 0;
  }

 private:
  uint32_t word_ = 0;
};
extern Lock memory_lock;        // of what is mapped where
extern uint32_t threads_alive;  // in this memory, futex
extern bool memory_shared;      // other processes may be in it that nobody waits for

// A host call that blocks: -EINTR as soon as the thread is kicked, or was before.
extern "C" long host_blocking(long number, long a, long b, long c, long d, long e, long f);

}  // namespace sandstone::runtime
