#include "runtime/signal.h"

#include <stddef.h>

#include <initializer_list>

#include "runtime/dispatch.h"
#include "runtime/memory.h"
#include "runtime/patch.h"
#include "runtime/trace.h"
#include "runtime/vectors.h"

namespace sandstone::runtime {

extern "C" {
void rt_restorer();
void rt_call_restorer();
void rt_entry();
extern const char rt_leave_window[], rt_leave_window_end[], rt_restorer_last[], rt_call_window[],
    rt_call_last[], host_blocking_window[], host_blocking_last[], host_blocking_kicked[], guarded_copy_at[],
    guarded_copy_bad[], guarded_count_at[], guarded_count_word[], guarded_count_torn[], guarded_count_bad[],
    rt_text_start[], rt_text_end[];
}

namespace {

constexpr int kSigIll = 4, kSigTrap = 5, kSigBus = 7, kSigFpe = 8, kSigKill = 9, kSigSegv = 11, kSigSys = 31;
constexpr uint64_t kOnStack = 0x08000000, kRestart = 0x10000000, kNoDefer = 0x40000000, kSigInfo = 4,
                   kHasRestorer = 0x04000000;
constexpr long kArchSetGs = 0x1001;
constexpr int kSiKernel = 0x80, kTrapTrace = 2;
constexpr uint64_t kLeastSignalStack = 2048;  // MINSIGSTKSZ, whatever the processor's vectors take
constexpr uint32_t kDisable = 2, kOnAlternate = 1, kSsAutoDisarm = 1U << 31;
constexpr uint64_t kRedZone = 128, kMostUser = 0x7ffffffff000;
constexpr uint64_t kDirection = 0x400, kTrapFlag = 0x100, kAlignmentCheck = 0x40000;
// What a guest may set of the flags by rt_sigreturn.
constexpr uint64_t kFlagsOfUser = 0x50dd5 | 0x200000;

struct Stack {
  uint64_t at;
  uint32_t flags, unused;
  uint64_t size;
};

// As the kernel has it (arch/x86/include/uapi/asm/sigcontext.h, ucontext.h).
struct Ucontext {
  uint64_t flags, link;
  Stack stack;
  uint64_t r[kRegisters];
  uint64_t fp;
  uint64_t reserved[8];
  uint64_t mask;
};

struct Frame {
  uint64_t restorer;
  Ucontext context;
  uint8_t info[128];
};

uint64_t address(const char* label) {
  return reinterpret_cast<uint64_t>(label);
}

bool in_runtime(uint64_t ip) {
  return ip >= address(rt_text_start) && ip < address(rt_text_end);
}
bool in_kernel(uint64_t ip) {
  return ip >= boot.kernel_text && ip < boot.kernel_text_end;
}

bool on_alternate(const Thread* thread, uint64_t sp) {
  return thread->alternate_size != 0 && !thread->alternate_disarms && sp > thread->alternate &&
         sp - thread->alternate <= thread->alternate_size;
}

Stack alternate_of(const Thread* thread, uint64_t sp) {
  const uint32_t state = thread->alternate_size == 0 ? kDisable : on_alternate(thread, sp) ? kOnAlternate : 0;
  return {thread->alternate, state | (thread->alternate_disarms ? kSsAutoDisarm : 0), 0,
          thread->alternate_size};
}

// The frame for the handler that is due. False: the guest's stack cannot take it.
bool build_frame(Thread* thread, Context& context, const lib_signal& signal) {
  uint64_t* r = context.r;
  const uint64_t old_sp = r[RSP];
  uint64_t sp = old_sp - kRedZone;
  bool alternate = on_alternate(thread, old_sp);
  if ((signal.flags & kOnStack) != 0 && thread->alternate_size != 0 && !alternate) {
    sp = thread->alternate + thread->alternate_size;
    alternate = true;
  }
  sp = (sp - vector_size(context)) & ~uint64_t{63};
  const uint64_t fp = sp;
  sp = ((sp - sizeof(Frame)) & ~uint64_t{15}) - 8;
  if (sp >= LIB_RESERVED && sp < LIB_END) return false;
  if (alternate && (sp < thread->alternate || sp - thread->alternate > thread->alternate_size)) return false;

  Frame frame{};
  frame.restorer = signal.restorer;
  frame.context.flags = 7;  // extended state, and the stack's segment as it should be
  frame.context.stack = alternate_of(thread, old_sp);
  memcpy(frame.context.r, r, sizeof frame.context.r);
  frame.context.r[SEGMENTS] = 0x2b000000000033;
  frame.context.r[RIP] = original_address(r[RIP]);
  frame.context.fp = fp;
  frame.context.mask = signal.mask;
  memcpy(frame.info, signal.info, sizeof frame.info);
  if (!save_vectors(context, fp) || !guarded_copy(pointer(sp), &frame, sizeof frame)) return false;

  if (thread->alternate_disarms) forget_alternate_stack(thread);
  r[RDI] = signal.number;
  r[RSI] = sp + offsetof(Frame, info);
  r[RDX] = sp + offsetof(Frame, context);
  r[RAX] = 0;
  r[RSP] = sp;
  r[RIP] = signal.handler;
  r[FLAGS] &= ~(kDirection | kTrapFlag);
  return true;
}

// Which of the carrier's answers there was; ends with the task.
bool signal_due(Thread* thread) {
  const uint32_t status = thread->carrier->status;
  if (status == LIB_EXITED) leave_host(thread);
  if (status == LIB_GONE) host(SYS_exit_group, 125);
  thread->carrier->status = LIB_RETURNED;
  return status == LIB_SIGNAL;
}

// `again`: the call that is to be made again after the handler.
bool ask(Thread* thread, uint64_t* again = nullptr) {
  thread->carrier->hold = 0;
  const long result = library_as_guest(thread, by_notification() ? kCallDue : SYS_getppid);
  if (by_notification() && again != nullptr && result > 0) *again = static_cast<uint64_t>(result) - 1;
  return signal_due(thread);
}

// What is due now and all that is due after it: handlers nest, the last one runs first.
void deliver(Thread* thread, Context& context) {
  for (int count = 0; count < 64; ++count) {
    const lib_signal signal = thread->carrier->signal;
    if (build_frame(thread, context, signal)) {
      if (!ask(thread)) return;
      continue;
    }
    if (signal.number == kSigSegv) {
      report("no room for a signal's frame", context.r[RSP], signal.flags);
      die(thread, kSigSegv);
    }
    // As Linux does: SIGSEGV in its place, whose handler may have another stack.
    library(thread, SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, reinterpret_cast<uint64_t>(&signal.mask), 0, 8);
    thread->carrier->hold = 0;
    library_as_guest(thread, LIB_CALL_FAULT, kSigSegv, kSiKernel, 0);
    if (!signal_due(thread)) return;
  }
}

// The registers are the handler's from here on; the trail wants to know what the call gave.
void ends_with(Thread* thread, long result) {
  thread->result = result;
  thread->has_result = true;
}

void again(Context& context, uint64_t number) {
  context.r[RAX] = number;
  context.r[RIP] -= 2;  // the instruction is there, in every form of a call site that asks for this
}

}  // namespace

void settle(Thread* thread, Context& context, uint64_t number, long result) {
  context.r[RAX] = static_cast<uint64_t>(result);
  lib_carrier* carrier = thread->carrier;
  if (__builtin_expect(carrier->status == LIB_RETURNED && carrier->hold == 0, 1)) return;
  const bool held = carrier->hold == 2;
  carrier->hold = 0;
  if (carrier->status != LIB_RETURNED ? !signal_due(thread) : !held || !ask(thread)) return;
  ends_with(thread, result == -kErestart ? -kEintr : result);
  if (result == -kErestart && number != kNoRestart) again(context, number);
  deliver(thread, context);
}

bool settle_interrupted(Thread* thread, Context& context, uint64_t number, bool restarts) {
  thread->kicked = 0;
  if (!ask(thread)) return true;
  context.r[RAX] = static_cast<uint64_t>(-kEintr);
  ends_with(thread, -kEintr);
  if (restarts && (thread->carrier->signal.flags & kRestart) != 0) again(context, number);
  deliver(thread, context);
  return false;
}

void look(Thread* thread, Context& context) {
  __atomic_store_n(&thread->kicked, 0, __ATOMIC_SEQ_CST);
  uint64_t number = kNoRestart;
  if (!ask(thread, &number)) return;
  if (number != kNoRestart) again(context, number);
  deliver(thread, context);
}

void fault(Thread* thread, Context& context, int signal, int code, uint64_t where) {
  library_as_guest(thread, LIB_CALL_FAULT, static_cast<uint64_t>(signal), static_cast<uint64_t>(code), where);
  if (signal_due(thread)) deliver(thread, context);
}

void die(Thread* thread, int signal) {
  const uint64_t action[4] = {};
  const auto number = static_cast<uint64_t>(signal);
  const uint64_t mask = uint64_t{1} << (number - 1);
  library(thread, SYS_rt_sigaction, number, reinterpret_cast<uint64_t>(action), 0, 8);
  library(thread, SYS_rt_sigprocmask, 1 /* SIG_UNBLOCK */, reinterpret_cast<uint64_t>(&mask), 0, 8);
  for (;;) {
    const long self = library(thread, SYS_getpid);
    signal_due(thread);
    thread->carrier->hold = 0;
    library_as_guest(thread, SYS_kill, static_cast<uint64_t>(self), number);
    signal_due(thread);
    library_as_guest(thread, SYS_kill, static_cast<uint64_t>(self), kSigKill);
    signal_due(thread);
  }
}

void return_from_signal(Thread* thread, Context& context) {
  Ucontext saved;
  const uint64_t at = context.r[RSP];
  if (!guarded_copy(&saved, pointer(at), sizeof saved) || !restore_vectors(context, saved.fp))
    return die(thread, kSigSegv);
  for (int i = R8; i <= RIP; ++i) context.r[i] = saved.r[i];
  context.r[RIP] = resume_address(context.r[RIP]);
  context.r[FLAGS] = (context.r[FLAGS] & ~kFlagsOfUser) | (saved.r[FLAGS] & kFlagsOfUser);
  if ((saved.stack.flags & kDisable) != 0) saved.stack.size = 0;
  thread->alternate = saved.stack.at;
  thread->alternate_size = saved.stack.size;
  thread->alternate_disarms = (saved.stack.flags & kSsAutoDisarm) != 0;
  const uint64_t result = context.r[RAX];
  library(thread, SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, reinterpret_cast<uint64_t>(&saved.mask), 0, 8);
  settle(thread, context, kNoRestart, static_cast<long>(result));
}

void forget_alternate_stack(Thread* thread) {
  thread->alternate = thread->alternate_size = 0;
  thread->alternate_disarms = false;
}

long set_alternate_stack(Thread* thread, Context& context) {
  const uint64_t wanted_at = context.r[RDI];
  const uint64_t old_at = context.r[RSI];
  const bool on = on_alternate(thread, context.r[RSP]);
  const Stack old = alternate_of(thread, context.r[RSP]);
  if (wanted_at != 0) {
    Stack wanted;
    if (!guarded_copy(&wanted, pointer(wanted_at), sizeof wanted)) return -kEfault;
    if (on) return -kEperm;
    const uint32_t mode = wanted.flags & ~kSsAutoDisarm;
    if (mode != 0 && mode != kDisable && mode != kOnAlternate) return -kEinval;
    if (mode == kDisable)
      wanted.at = wanted.size = 0;
    else if (wanted.size < kLeastSignalStack)
      return -kEnomem;
    thread->alternate = wanted.at;
    thread->alternate_size = wanted.size;
    thread->alternate_disarms = (wanted.flags & kSsAutoDisarm) != 0;
  }
  if (old_at != 0 && !guarded_copy(pointer(old_at), &old, sizeof old)) return -kEfault;
  return 0;
}

namespace {

// The first thing that a handler does. The host leaves the interrupted one's alignment check on, and its %gs,
// which a guest may have written: but whoever comes from a guest stands on the stack in its own slot.
Thread* enter_handler() {
  const uint64_t flags = __builtin_ia32_readeflags_u64();
  if ((flags & kAlignmentCheck) != 0) __builtin_ia32_writeeflags_u64(flags & ~kAlignmentCheck);
  const auto sp = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
  if (sp - kSlots >= kSlotsSize) return current();
  const uint64_t slot = sp & ~(kSlotSize - 1);
  if ((boot.hwcap2 & 2) != 0) {
    uint64_t base = 0;
    asm volatile("rdgsbase %0" : "=r"(base));
    if (base != slot) asm volatile("wrgsbase %0" : : "r"(slot) : "memory");
  }
  return pointer<Thread>(slot);
}

Context context_of(void* frame) {
  auto* ucontext = static_cast<Ucontext*>(frame);
  return {ucontext->r, pointer<uint8_t>(ucontext->fp), frame};
}

// Whether rt_call_restorer can go back to these registers: they are a call's, whose rcx and r11 are lost, and not where
// another handler of the guest's was interrupted; the flags are those of arithmetic; and where to go on is an address.
bool is_plain(const Context& context, uint64_t number) {
  constexpr uint64_t kPlain = 0x8d5 | 0x202;
  return number != SYS_rt_sigreturn && (context.r[FLAGS] & ~kPlain) == 0 && context.r[RIP] < kMostUser &&
         has_extended_state(context);
}

// A call of the guest's that was not patched.
extern "C" bool rt_on_call(int, void*, void* frame) {
  Thread* thread = enter_handler();
  Context context = context_of(frame);
  const uint64_t number = context.r[RAX];
  is_watched() ? dispatch_watched(thread, context) : dispatch(thread, context);
  return is_plain(context, number);
}

extern "C" void rt_on_kick(int, void*, void* frame) {
  Thread* thread = enter_handler();
  auto* ucontext = static_cast<Ucontext*>(frame);
  if (ucontext->r[RIP] == address(rt_call_last)) ucontext->r[RIP] = ucontext->r[RCX];
  const uint64_t ip = ucontext->r[RIP];
  if (!in_runtime(ip) && !in_kernel(ip)) {
    Context context = context_of(frame);
    return look(thread, context);
  }
  __atomic_store_n(&thread->kicked, 1, __ATOMIC_SEQ_CST);
  if (ip >= address(rt_leave_window) && ip < address(rt_leave_window_end)) {
    ucontext->r[RIP] = address(rt_leave_window);
    ucontext->r[RSP] = thread->stack - sizeof(uint64_t) * kRegisters;
  } else if (ip > address(rt_call_window) && ip < address(rt_call_last)) {
    ucontext->r[RIP] = address(rt_call_window);
  } else if (ip > reinterpret_cast<uint64_t>(rt_restorer) && ip <= address(rt_restorer_last)) {
    ucontext->r[RIP] = reinterpret_cast<uint64_t>(rt_restorer);
  } else if (ip >= address(host_blocking_window) && ip <= address(host_blocking_last)) {
    ucontext->r[RIP] = address(host_blocking_kicked);
  }
}

extern "C" void rt_on_fault(int number, void* info, void* frame) {
  Thread* thread = enter_handler();
  auto* ucontext = static_cast<Ucontext*>(frame);
  const uint64_t ip = ucontext->r[RIP];
  if (in_kernel(ip)) return boot.kernel->on_fault(number, info, frame);
  if (ip == reinterpret_cast<uint64_t>(rt_entry)) {  // its %gs was the guest's, and is ours now
    if ((boot.hwcap2 & 2) == 0) host(SYS_arch_prctl, kArchSetGs, word(thread));
    return;
  }
  // A guest steps over a rewritten call. In the trampoline there is nothing to tell; the step ends with the
  // call, in rt_look().
  if (number == kSigTrap && (ucontext->r[FLAGS] & kTrapFlag) != 0 && original_address(ip) != ip) return;
  if (number == kSigTrap && (ucontext->r[FLAGS] & kTrapFlag) != 0 && in_runtime(ip)) {
    ucontext->r[FLAGS] &= ~kTrapFlag;
    thread->stepping = true;
    __atomic_store_n(&thread->kicked, 1, __ATOMIC_SEQ_CST);
    return;
  }
  uint64_t where = static_cast<uint64_t*>(info)[2];
  const int code = static_cast<int*>(info)[2];
  // Also for a copy of our own from a page of a file that is not there yet.
  if (number == kSigBus && map_file_page(thread, where, !in_runtime(ip))) {
    if (in_runtime(ip)) return;
    Context guests = context_of(frame);
    return settle(thread, guests, kNoRestart, static_cast<long>(guests.r[RAX]));
  }
  if (ip == address(guarded_count_word)) {
    ucontext->r[RIP] = address(guarded_count_torn);
    return;
  }
  if (ip == address(guarded_count_at)) {
    ucontext->r[RIP] = address(guarded_count_bad);
    return;
  }
  if (ip == address(guarded_copy_at)) {
    ucontext->r[RIP] = address(guarded_copy_bad);
    return;
  }
  if (in_runtime(ip)) {
    report("bad access in the run-time", ip, where);
    host(SYS_exit_group, 125);
  }
  Context context = context_of(frame);
  fault(thread, context, number, code, where);
}

void install(int number, auto* handler, uint64_t more = 0, void (*restorer)() = rt_restorer) {
  const struct {
    uint64_t handler, flags, restorer, mask;
  } action{reinterpret_cast<uint64_t>(handler), kSigInfo | kOnStack | kNoDefer | kHasRestorer | more,
           reinterpret_cast<uint64_t>(restorer), 0};
  host(SYS_rt_sigaction, number, word(&action), 0, 8);
}

}  // namespace

// From entry.S.
extern "C" void rt_look(uint64_t* registers) {
  Context context{registers, nullptr, nullptr};
  Thread* thread = current();
  if (thread->stepping) {
    thread->stepping = false;
    registers[FLAGS] |= kTrapFlag;
    fault(thread, context, kSigTrap, kTrapTrace, registers[RIP]);
  }
  look(thread, context);
}
extern "C" bool rt_look_in_frame(void* frame) {
  Context context = context_of(frame);
  if (in_runtime(context.r[RIP]) || in_kernel(context.r[RIP])) return false;
  look(current(), context);
  return true;
}
extern "C" void rt_call(uint64_t* registers) {
  Context context{registers, nullptr, nullptr};
  is_watched() ? dispatch_watched(current(), context) : dispatch(current(), context);
}

void install_handlers() {
  install(kSigSys, rt_on_call, 0, rt_call_restorer);
  // A kick may come before the kernel's process has taken up a call: it is made then, after what is due.
  install(kKick, rt_on_kick, by_notification() ? kRestart : 0);
  for (const int number : {kSigSegv, kSigBus, kSigFpe, kSigIll, kSigTrap}) install(number, rt_on_fault);
  const uint64_t none = 0;
  host(SYS_rt_sigprocmask, 2, word(&none), 0, 8);
}

}  // namespace sandstone::runtime
