// Processes and threads: a task of the library kernel's and a thread of the host's, made together.

#include "runtime/dispatch.h"
#include "runtime/memory.h"
#include "runtime/signal.h"

namespace sandstone::runtime {

extern "C" {
long clone_thread(long flags, uint64_t stack, uint64_t child_tid, uint64_t tls, Thread* child);
long fork_over(long flags, uint32_t* alive);
[[noreturn]] void rt_go_to_frame(void* ucontext);
[[noreturn]] void rt_go_to(uint64_t* registers);
}

namespace {

constexpr uint64_t kVm = 0x100, kFs = 0x200, kFiles = 0x400, kSighand = 0x800, kPidfd = 0x1000,
                   kVfork = 0x4000, kParent = 0x8000, kThread = 0x10000, kSysvsem = 0x40000,
                   kSetTls = 0x80000, kParentSetTid = 0x100000, kChildClearTid = 0x200000,
                   kChildSetTid = 0x1000000, kIntoCgroup = 0x200000000, kClearSighand = 0x100000000,
                   kDetached = 0x400000, kNewTime = 0x80;
constexpr int kSigChld = 17, kSigKill = 9;
constexpr uint64_t kSignalMask = 0xff, kMostSignal = 64, kMostLevels = 32, kLeastWanted = 64;
constexpr long kFutexWait = 0;
// Who has ended counts until it is buried (src/kernel/guest.cc), a few milliseconds, or more on a busy machine.
constexpr int64_t kPause = 2'500'000;  // ns
constexpr int kTries = 40;

struct Wanted {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
      cgroup;
};

// A structure of a later Linux's is understood if what we do not know of it is zero.
long read_wanted(uint64_t from, uint64_t size, Wanted& wanted) {
  if (size < kLeastWanted) return -kEinval;
  if (size > kPage) return -kE2big;
  if (!guarded_copy(&wanted, pointer(from), size < sizeof wanted ? size : sizeof wanted)) return -kEfault;
  for (uint64_t at = sizeof wanted; at < size; ++at) {
    uint8_t byte = 0;
    if (!guarded_copy(&byte, pointer(from + at), 1)) return -kEfault;
    if (byte != 0) return -kE2big;
  }
  return 0;
}

long wanted_of_clone3(uint64_t from, uint64_t size, Wanted& wanted) {
  if (const long error = read_wanted(from, size, wanted); error < 0) return error;
  if ((wanted.flags & ~(uint64_t{0xffffffff} | kClearSighand | kIntoCgroup)) != 0 ||
      (wanted.flags & (kDetached | (kSignalMask & ~kNewTime))) != 0 || wanted.exit_signal > kMostSignal ||
      (wanted.flags & (kSighand | kClearSighand)) == (kSighand | kClearSighand) ||
      ((wanted.flags & (kThread | kParent)) != 0 && wanted.exit_signal != 0) ||
      wanted.set_tid_size > kMostLevels || (wanted.set_tid == 0) != (wanted.set_tid_size == 0) ||
      (wanted.stack == 0) != (wanted.stack_size == 0))
    return -kEinval;
  // A time namespace's bit is the signal's in what the library kernel is asked.
  if ((wanted.flags & (kIntoCgroup | kNewTime)) != 0 || wanted.set_tid_size > 1) return -kEnosys;
  if (wanted.set_tid_size == 1) {
    int32_t pid = 0;
    if (!guarded_copy(&pid, pointer(wanted.set_tid), sizeof pid)) return -kEfault;
    if (pid < 1) return -kEinval;
    wanted.set_tid = static_cast<uint64_t>(pid);
  }
  wanted.stack += wanted.stack_size;
  return 0;
}

long wanted_of(const Context& context, uint64_t number, Wanted& wanted) {
  const uint64_t* r = context.r;
  switch (number) {
    case SYS_fork:
      wanted.exit_signal = kSigChld;
      return 0;
    case SYS_vfork:
      wanted.flags = kVm | kVfork;
      wanted.exit_signal = kSigChld;
      return 0;
    case SYS_clone:
      wanted.flags = r[RDI] & 0xffffffff & ~kSignalMask;
      wanted.exit_signal = r[RDI] & kSignalMask;
      wanted.stack = r[RSI];
      wanted.parent_tid = r[RDX];
      if ((wanted.flags & kPidfd) != 0) wanted.pidfd = r[RDX];
      wanted.child_tid = r[R10];
      wanted.tls = r[R8];
      return 0;
    default:
      return wanted_of_clone3(r[RDI], r[RSI], wanted);
  }
}

struct HostFrame {  // what the host pushes for a handler, from the ucontext on
  uint64_t flags, link;
  HostStack stack;
  uint64_t r[kRegisters], fp, reserved[8], mask;
};
constexpr uint64_t kSiginfoSize = 128;
constexpr uint64_t kFpNoteAt = 464;

// Where the child starts: as its parent, from a copy of the frame that the parent's call came with.
HostFrame* copy_frame(Thread* child, const Context& context) {
  uint32_t note[2];
  memcpy(note, context.fp + kFpNoteAt, sizeof note);
  const uint64_t fp_size = note[0] == 0x46505853 ? note[1] : 512;
  const uint64_t fp = (child->stack - fp_size) & ~uint64_t{63};
  memcpy(pointer(fp), context.fp, fp_size);
  const uint64_t at = ((fp - sizeof(HostFrame) - kSiginfoSize) & ~uint64_t{15});
  memcpy(pointer(at), context.frame, sizeof(HostFrame) + kSiginfoSize);
  auto* frame = pointer<HostFrame>(at);
  frame->fp = fp;
  frame->stack = host_stack_of(child);
  return frame;
}

// Until the child has run another program, or is no more. Handlers wait; only death ends it earlier.
void wait_for(Thread* thread, Thread* child) {
  const struct {
    int64_t seconds, nanoseconds;
  } part{0, 20'000'000};
  // Its task may also end without a word, with its host process.
  while (__atomic_load_n(&thread->vfork_done, __ATOMIC_ACQUIRE) == 0 &&
         __atomic_load_n(&child->vfork_parent, __ATOMIC_ACQUIRE) == thread &&
         __atomic_load_n(&child->carrier->task, __ATOMIC_ACQUIRE) != 0) {
    host(SYS_futex, word(&thread->vfork_done), kFutexWait, 0, word(&part));
    if (__atomic_load_n(&thread->kicked, __ATOMIC_ACQUIRE) == 0) continue;
    library(thread, SYS_getppid);
    if (thread->carrier->status != LIB_EXITED) continue;
    // Nobody is to be told any more, least of all whoever has our slot next.
    Thread* us = thread;
    __atomic_compare_exchange_n(&child->vfork_parent, &us, nullptr, false, __ATOMIC_ACQ_REL,
                                __ATOMIC_RELAXED);
    leave_host(thread);
  }
}

void pause_for(int64_t nanoseconds) {
  const struct {
    int64_t seconds, nanoseconds;
  } time{0, nanoseconds};
  const uint32_t nobody_wakes = 0;
  host(SYS_futex, word(&nobody_wakes), kFutexWait, 0, word(&time));
}

}  // namespace

// Where the child's thread begins, on its slot's stack.
extern "C" void rt_child(Thread* child) {
  if (child->copies_memory) {
    memory_lock.reset();
    if (threads_alive != 1) threads_alive = 1;
    if (memory_shared) memory_shared = false;
  }
  become(child);
  begin(child, child->task);
  const uint64_t tid_at = child->child_tid;
  if (tid_at != 0) put_word(tid_at, static_cast<uint32_t>(library(child, SYS_gettid)));
  child->carrier->hold = 0;
  child->kicked = 1;  // what came for the new task before there was a thread to tell
  if (child->guest_sp != 0) rt_go_to_frame(pointer(child->guest_sp));
  rt_go_to(pointer<uint64_t>(child->stack - sizeof(uint64_t) * kRegisters));
}

bool move_out(Thread* thread) {
  const uint64_t all = ~uint64_t{0}, none = 0;
  // The one that is left behind must not run a handler: its stack is in use.
  host(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, word(&all), 0, 8);
  const long task = by_notification() ? library(thread, kCallMove) : 0;
  // Until the new process says who it is: the end of this one is none of its slot's.
  const uint32_t pid = thread->carrier->pid;
  thread->carrier->pid = 0;
  // At the limit on processes there is room for one at a time that moves.
  long moved = fork_over(static_cast<long>(kParent), &threads_alive);
  for (int tries = 0; moved == -kEagain && tries < 1000; ++tries) {
    pause_for(1'000'000);
    moved = fork_over(static_cast<long>(kParent), &threads_alive);
  }
  if (moved < 0) {
    thread->carrier->pid = pid;
    begin(thread, static_cast<uint64_t>(task));
    host(SYS_rt_sigprocmask, 2, word(&none), 0, 8);
    return false;
  }
  thread->carrier->tid = thread->carrier->pid = static_cast<uint32_t>(host(SYS_getpid));
  begin(thread, static_cast<uint64_t>(task));
  thread->shares_memory = false;
  thread->kicked = 1;  // what came for the one that we were
  threads_alive = 1;
  memory_lock.reset();
  memory_shared = false;
  host(SYS_rt_sigprocmask, 2, word(&none), 0, 8);
  return true;
}

long clone(Thread* thread, Context& context, uint64_t number) {
  Wanted wanted{};
  if (const long error = wanted_of(context, number, wanted); error < 0) return error;
  const bool is_thread = (wanted.flags & kThread) != 0;
  const bool waits = (wanted.flags & kVfork) != 0;
  // A process in the same memory, most often to exec soon: what it writes is its parent's, as posix_spawn(3)
  // needs it.
  const bool shares = (wanted.flags & kVm) != 0 && !is_thread;

  Thread* child = take_thread();
  if (child == nullptr) return -kEagain;
  constexpr uint64_t kOurs = kSetTls | kParentSetTid | kChildSetTid | kChildClearTid | kVfork;
  const uint64_t flags = wanted.flags & ~kOurs;
  // Whoever is alone needs no lock, and to write to it after a fork would copy the page.
  const bool alone = __atomic_load_n(&threads_alive, __ATOMIC_ACQUIRE) == 1;
  if (!alone) memory_lock.lock();
  thread->carrier->hold = 0;
  const long pid = library_as_guest(thread, LIB_CALL_CLONE, flags | wanted.exit_signal, wanted.set_tid,
                                    (wanted.flags & kPidfd) != 0 ? wanted.pidfd : 0);
  if (pid < 0) {
    if (!alone) memory_lock.unlock();
    give_back(child);
    return pid;
  }
  child->task = thread->carrier->cloned;
  if (by_notification()) {
    child->carrier->task = child->task;  // until the kernel's process finds it dead
  } else {
    // Its process will be a copy of ours; to bind it would else map that space anew, in ours.
    child->carrier->vmalloc_generation = thread->carrier->vmalloc_generation;
    boot.kernel->bind(child->carrier, static_cast<lib_s32>(child->task));
  }
  if (!is_thread) {
    child->alternate = thread->alternate;
    child->alternate_size = thread->alternate_size;
    child->alternate_disarms = thread->alternate_disarms;
  }
  child->tid = static_cast<uint32_t>(pid);
  child->process = is_thread ? thread->process : child->tid;
  child->shares_memory = shares || (is_thread && thread->shares_memory);
  child->copies_memory = !shares && !is_thread;
  if (shares && !waits) memory_shared = true;
  child->child_tid = (wanted.flags & kChildSetTid) != 0 ? wanted.child_tid : 0;
  if ((wanted.flags & kParentSetTid) != 0) put_word(wanted.parent_tid, static_cast<uint32_t>(pid));
  thread->vfork_done = 0;
  if (waits) child->vfork_parent = thread;

  // Both on the child's stack for calls, and never on the host's alternate one: the child may be kicked from its first call on,
  // and a handler starts at the top of that one.
  uint64_t* r = nullptr;
  uint64_t first_stack = 0;
  if (context.frame != nullptr) {
    HostFrame* frame = copy_frame(child, context);
    first_stack = child->guest_sp = reinterpret_cast<uint64_t>(frame);
    r = frame->r;
  } else {
    first_stack = child->stack - sizeof(uint64_t) * kRegisters;
    r = pointer<uint64_t>(first_stack);
    memcpy(r, context.r, sizeof(uint64_t) * kRegisters);
  }
  r[RAX] = 0;
  if (wanted.stack != 0) r[RSP] = wanted.stack;

  uint64_t host_flags = is_thread ? kVm | kFs | kFiles | kSighand | kThread | kSysvsem
                        : shares  ? kVm | kParent
                                  : kParent;
  host_flags |= wanted.flags & (kSetTls | kChildClearTid);
  if (is_thread || shares) __atomic_fetch_add(&threads_alive, 1, __ATOMIC_ACQ_REL);
  first_stack &= ~uint64_t{15};
  long made = clone_thread(static_cast<long>(host_flags), first_stack, wanted.child_tid, wanted.tls, child);
  for (int tries = 0; made == -kEagain && tries < kTries; ++tries) {
    pause_for(kPause);
    made = clone_thread(static_cast<long>(host_flags), first_stack, wanted.child_tid, wanted.tls, child);
  }
  if (!alone) memory_lock.unlock();
  if (made < 0) {
    if (is_thread || shares) __atomic_fetch_sub(&threads_alive, 1, __ATOMIC_ACQ_REL);
    if (by_notification())
      library(thread, kCallForget, child->task);
    else
      boot.kernel->unbind(child->carrier);
    if (!is_thread) {
      library(thread, SYS_kill, static_cast<uint64_t>(pid), kSigKill);
      library(thread, SYS_wait4, static_cast<uint64_t>(pid), 0, 0x40000000 /* __WALL */, 0);
    } else {
      library(thread, SYS_tkill, static_cast<uint64_t>(pid), kSigKill);
    }
    give_back(child);
    return made;
  }
  if (waits) wait_for(thread, child);
  return pid;
}

}  // namespace sandstone::runtime
