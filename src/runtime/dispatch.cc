#include "runtime/dispatch.h"

#include "calls/table.h"
#include "runtime/memory.h"
#include "runtime/signal.h"

namespace sandstone::runtime {
namespace {

constexpr uint64_t kArchSetGs = 0x1001, kArchSetFs = 0x1002, kArchGetFs = 0x1003;
constexpr uint64_t kMostUser = 0x7ffffffff000;
constexpr uint64_t kProcessClock = 2, kThreadClock = 3;
constexpr long kSelf = 0, kThisThread = 1;

long processor_control(uint64_t code, uint64_t value) {
  if (code == kArchSetFs) {
    if (value >= kMostUser) return -kEperm;
    if ((boot.hwcap2 & 2) == 0)
      return host(SYS_arch_prctl, static_cast<long>(code), static_cast<long>(value));
    asm volatile("wrfsbase %0" : : "r"(value));
    return 0;
  }
  if (code == kArchGetFs) {
    if ((boot.hwcap2 & 2) == 0)
      return host(SYS_arch_prctl, static_cast<long>(code), static_cast<long>(value));
    uint64_t base = 0;
    asm volatile("rdfsbase %0" : "=r"(base));
    return guarded_copy(pointer(value), &base, sizeof base) ? 0 : -kEfault;
  }
  return code == kArchSetGs ? -kEperm : -kEinval;  // ours
}

long by_host(const uint64_t* r) {
  for (bool again = true;; again = false) {
    const long result = host(static_cast<long>(r[RAX]), static_cast<long>(r[RDI]), static_cast<long>(r[RSI]),
                             static_cast<long>(r[RDX]), static_cast<long>(r[R10]), static_cast<long>(r[R8]),
                             static_cast<long>(r[R9]));
    if (result != -kEfault || !again || !touch_arguments(r)) return result;
  }
}

// futex(2) by the host, on the guest's own memory. Thread ids of the library kernel mean nothing to it, so
// none of the operations that hold one.
void futex(Thread* thread, Context& context) {
  uint64_t* r = context.r;
  const uint64_t operation = r[RSI] & 0x7f;
  const bool waits = operation == 0 || operation == 9 || operation == 11;
  if (operation > 5 && operation != 9 && operation != 10) {
    r[RAX] = static_cast<uint64_t>(-kEnosys);
    return;
  }
  if (!waits) {
    r[RAX] = static_cast<uint64_t>(by_host(r));
    return;
  }
  for (bool touched = false;;) {
    const long result = host_blocking(SYS_futex, static_cast<long>(r[RDI]), static_cast<long>(r[RSI]),
                                      static_cast<long>(r[RDX]), static_cast<long>(r[R10]),
                                      static_cast<long>(r[R8]), static_cast<long>(r[R9]));
    if (result == -kEfault && !touched) {
      touched = true;
      if (touch_arguments(r)) continue;
    }
    if (result != -kEintr) {
      r[RAX] = static_cast<uint64_t>(result);
      return settle(thread, context, kNoRestart, result);
    }
    if (!settle_interrupted(thread, context, SYS_futex, r[R10] == 0)) return;
  }
}

void by_library(Thread* thread, Context& context) {
  const uint64_t* r = context.r;
  const uint64_t number = r[RAX];
  settle(thread, context, number,
         library_as_guest(thread, number, r[RDI], r[RSI], r[RDX], r[R10], r[R8], r[R9]));
}

// Whether a call about the thread with this id is about the caller.
bool is_own(Thread* thread, uint64_t tid) {
  const auto id = static_cast<int32_t>(tid);
  return id == 0 || id == library(thread, SYS_gettid);
}

// Of the machine's CPUs, not of the library kernel's one. The host knows other threads by other ids: of those
// we can say only whether they are there and may be moved.
long affinity(Thread* thread, uint64_t* r, bool set) {
  const uint64_t whose = r[RDI];
  uint64_t one = 1;
  if (const long known = library(thread, set ? SYS_sched_setaffinity : SYS_sched_getaffinity, whose,
                                 sizeof one, reinterpret_cast<uint64_t>(&one));
      known < 0)
    return known;
  if (set && !is_own(thread, whose)) return 0;
  r[RDI] = 0;
  const long result = by_host(r);
  r[RDI] = whose;
  return result;
}

// The library kernel knows of nobody's list.
long robust_list(Thread* thread, const uint64_t* r) {
  uint64_t head = 0, size = 0;
  if (const long known = library(thread, SYS_get_robust_list, r[RDI], reinterpret_cast<uint64_t>(&head),
                                 reinterpret_cast<uint64_t>(&size));
      known < 0)
    return known;
  if (is_own(thread, r[RDI])) head = thread->robust_list;
  return guarded_copy(pointer(r[RDX]), &size, sizeof size) &&
                 guarded_copy(pointer(r[RSI]), &head, sizeof head)
             ? 0
             : -kEfault;
}

void on_host(Thread* thread, Context& context) {
  uint64_t* r = context.r;
  switch (r[RAX]) {
    case SYS_futex:
      return futex(thread, context);
    case SYS_futex_waitv:
    case 454:
    case 455:
    case 456:
      r[RAX] = static_cast<uint64_t>(-kEnosys);
      return;
    default:
      r[RAX] = static_cast<uint64_t>(by_host(r));
  }
}

void on_both(Thread* thread, Context& context) {
  uint64_t* r = context.r;
  const uint64_t number = r[RAX];
  long result = -kEnosys;
  switch (number) {
    case SYS_mmap:
      result = map(thread, r[RDI], r[RSI], r[RDX], r[R10], r[R8], r[R9]);
      break;
    case SYS_munmap:
      result = unmap(thread, r[RDI], r[RSI]);
      break;
    case SYS_mprotect:
      result = protect(thread, r[RDI], r[RSI], r[RDX]);
      break;
    case SYS_mremap:
      result = remap(thread, r[RDI], r[RSI], r[RDX], r[R10], r[R8]);
      break;
    case SYS_madvise:
      result = advise(thread, r[RDI], r[RSI], r[RDX]);
      break;
    case SYS_msync:
      result = sync_memory(thread, r[RDI], r[RSI], r[RDX]);
      break;
    case SYS_shmat:
      result = attach(thread, r[RDI], r[RSI], r[RDX]);
      break;
    case SYS_shmdt:
      result = detach(thread, r[RDI]);
      break;
    case SYS_brk:
      result = set_break(thread, r[RDI]);
      break;
    case SYS_sched_setaffinity:
    case SYS_sched_getaffinity:
      result = affinity(thread, r, number == SYS_sched_setaffinity);
      break;
    case SYS_clone:
    case SYS_fork:
    case SYS_vfork:
    case SYS_clone3:  // made again, if a signal came first
      return settle(thread, context, number, clone(thread, context, number));
    case SYS_execve:
    case SYS_execveat:
      return execute(thread, context, number);
    case SYS_rt_sigreturn:
      return return_from_signal(thread, context);
    case SYS_sigaltstack:
      result = set_alternate_stack(thread, context);
      break;
    case SYS_arch_prctl:
      result = processor_control(r[RDI], r[RSI]);
      break;
    case SYS_set_tid_address:
      host(SYS_set_tid_address, static_cast<long>(r[RDI]));
      result = library(thread, SYS_gettid);
      break;
    case SYS_set_robust_list:
      if (r[RSI] != 24) {
        result = -kEinval;
        break;
      }
      thread->robust_list = r[RDI];
      thread->tid = static_cast<uint32_t>(library(thread, SYS_gettid));
      result = 0;
      break;
    case SYS_get_robust_list:
      result = robust_list(thread, r);
      break;
    case SYS_clock_gettime:  // a program's time on the CPU is the host's
      if (r[RDI] != kProcessClock && r[RDI] != kThreadClock) return by_library(thread, context);
      result = by_host(r);
      break;
    case SYS_getrusage:
      if (static_cast<long>(r[RDI]) != kSelf && static_cast<long>(r[RDI]) != kThisThread)
        return by_library(thread, context);
      result = by_host(r);
      break;
    case SYS_exit:
    case SYS_exit_group:
    case SYS_prctl:
    default:
      return by_library(thread, context);
  }
  settle(thread, context, kNoRestart, result);
}

}  // namespace

void dispatch(Thread* thread, Context& context) {
  const calls::Call* call = calls::find(context.r[RAX]);
  if (call == nullptr) {
    context.r[RAX] = static_cast<uint64_t>(-kEnosys);
    return;
  }
  switch (call->route) {
    case calls::Route::library:
      return by_library(thread, context);
    case calls::Route::host:
      return on_host(thread, context);
    case calls::Route::both:
      return on_both(thread, context);
    default:
      context.r[RAX] = static_cast<uint64_t>(-static_cast<long>(call->error));
  }
}

void report(const char* text, uint64_t a, uint64_t b) {
  char line[160];
  unsigned long size = 0;
  const auto add = [&](const char* from) {
    while (*from != '\0' && size < 100) line[size++] = *from++;
  };
  const auto number = [&](uint64_t value) {
    add(" 0x");
    for (int shift = 60; shift >= 0; shift -= 4) line[size++] = "0123456789abcdef"[value >> shift & 15];
  };
  add("sandstone: ");
  add(text);
  number(a);
  number(b);
  line[size++] = '\n';
  host(SYS_write, 2, word(line), static_cast<long>(size));
}

}  // namespace sandstone::runtime
