#include "runtime/thread.h"

namespace sandstone::runtime {

Boot boot;
Lock memory_lock;
uint32_t threads_alive;
bool memory_shared;

namespace {

constexpr long kFutexWait = 0, kFutexWake = 1, kPrivate = 128;
constexpr long kArchSetGs = 0x1001;

}  // namespace

extern "C" {
[[noreturn]] void end_thread(lib_u32* used, uint32_t* alive);
void set_host_stack(const HostStack* stack);
}

void Lock::lock() {
  uint32_t expected = 0;
  if (__atomic_compare_exchange_n(&word_, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
  while (__atomic_exchange_n(&word_, 2, __ATOMIC_ACQUIRE) != 0)
    host(SYS_futex, word(&word_), kFutexWait | kPrivate, 2);
}

void Lock::unlock() {
  if (__atomic_exchange_n(&word_, 0, __ATOMIC_RELEASE) == 2)
    host(SYS_futex, word(&word_), kFutexWake | kPrivate, 1);
}

namespace {

void raise_to(uint64_t word, uint32_t wanted) {
  auto* most = pointer<uint32_t>(word);
  uint32_t seen = __atomic_load_n(most, __ATOMIC_RELAXED);
  while (seen < wanted &&
         !__atomic_compare_exchange_n(most, &seen, wanted, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

}  // namespace

void note_slot(const Thread* thread) {
  if (boot.trace != 0) raise_to(kRingsInUse, thread->carrier->id);
  if (boot.count != 0) raise_to(kCountsInUse, thread->carrier->id);
}

Thread* take_thread() {
  // The lowest that is free: the first slots, and their neighbours, are mapped already, or are cheap to map.
  for (uint32_t at = 0; at < LIB_MAX_CARRIERS; ++at) {
    lib_carrier& carrier = by_notification() ? *pointer<lib_carrier>(kSlots + at * kSlotSize + kCarrierAt)
                                             : boot.kernel->carriers[at];
    uint32_t expected = 0;
    if (__atomic_load_n(&carrier.used, __ATOMIC_RELAXED) != 0 ||
        !__atomic_compare_exchange_n(&carrier.used, &expected, 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
      continue;
    // All but its word in the lock, and that it is taken.
    lib_carrier fresh{};
    fresh.id = at + 1;
    fresh.used = 1;
    fresh.vmalloc_generation = ~uint64_t{0};
    fresh.kick = kKick;
    memcpy(&carrier, &fresh, sizeof fresh);
    auto* thread = pointer<Thread>(kSlots + at * kSlotSize);
    memset(thread, 0, sizeof *thread);
    thread->self = thread;
    thread->stack = (kSlots + (at + 1) * kSlotSize) & ~uint64_t{15};
    thread->carrier = &carrier;
    note_slot(thread);
    return thread;
  }
  return nullptr;
}

void give_back(Thread* thread) {
  __atomic_store_n(&thread->carrier->used, 0, __ATOMIC_RELEASE);
}

void become(Thread* thread) {
  if ((boot.hwcap2 & 2) != 0) {
    asm volatile("wrgsbase %0" : : "r"(thread));
  } else {
    host(SYS_arch_prctl, kArchSetGs, word(thread));
  }
  const HostStack stack = host_stack_of(thread);
  set_host_stack(&stack);
  thread->carrier->tid = static_cast<uint32_t>(host(SYS_gettid));
  // A process of its own begins with the thread that it is named after.
  thread->carrier->pid =
      thread->copies_memory ? thread->carrier->tid : static_cast<uint32_t>(host(SYS_getpid));
}

long library(Thread* thread, uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
             uint64_t f) {
  if (thread->carrier->hold == 0) thread->carrier->hold = 1;
  return boot.enter(thread->carrier, number, a, b, c, d, e, f);
}

namespace {

constexpr uint32_t kWaiters = 0x80000000, kOwnerDied = 0x40000000, kTidMask = 0x3fffffff;

// A mutex that its owner dies with (get_robust_list(2)). The host's kernel would compare with its own thread
// ids.
void release_mutex(uint64_t futex, uint32_t tid) {
  uint32_t value = 0;
  if (!guarded_copy(&value, pointer(futex), sizeof value) || (value & kTidMask) != tid) return;
  if (put_word(futex, (value & kWaiters) | kOwnerDied) && (value & kWaiters) != 0)
    host(SYS_futex, static_cast<long>(futex), kFutexWake, 1);
}

void release_mutexes(Thread* thread) {
  struct {
    uint64_t next;
    int64_t offset;
    uint64_t pending;
  } head{};
  const uint64_t list = thread->robust_list;
  if (list == 0 || !guarded_copy(&head, pointer(list), sizeof head)) return;
  const uint32_t tid = thread->tid;
  uint64_t entry = head.next;
  for (int count = 0; count < 2048 && (entry & ~uint64_t{1}) != list; ++count) {
    const uint64_t at = entry & ~uint64_t{1};
    if (!guarded_copy(&entry, pointer(at), sizeof entry)) break;
    if (at != (head.pending & ~uint64_t{1})) release_mutex(at + static_cast<uint64_t>(head.offset), tid);
  }
  if (head.pending != 0)
    release_mutex((head.pending & ~uint64_t{1}) + static_cast<uint64_t>(head.offset), tid);
}

}  // namespace

void leave_host(Thread* thread) {
  if (thread->robust_list != 0) release_mutexes(thread);
  if (Thread* parent = thread->vfork_parent; parent != nullptr) {
    __atomic_store_n(&parent->vfork_done, 1, __ATOMIC_RELEASE);
    host(SYS_futex, word(&parent->vfork_done), kFutexWake, 1);
  }
  // A kick that comes late must find no handler: the slot, with the stack that it would run on, is somebody
  // else's then.
  const uint64_t all = ~uint64_t{0};
  host(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, word(&all), 0, 8);
  end_thread(&thread->carrier->used, &threads_alive);
}

}  // namespace sandstone::runtime
