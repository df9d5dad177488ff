#include "runtime/trace.h"

#include "calls/table.h"
#include "observe/capture.h"
#include "observe/ring.h"
#include "runtime/dispatch.h"

namespace sandstone::runtime {
namespace {

uint64_t now() {
  if (boot.tsc_multiplier == 0) {
    struct {
      int64_t seconds, nanoseconds;
    } time{};
    host(SYS_clock_gettime, 0 /* CLOCK_REALTIME */, word(&time));
    return static_cast<uint64_t>(time.seconds) * 1'000'000'000 + static_cast<uint64_t>(time.nanoseconds);
  }
  uint32_t low = 0, high = 0;
  asm volatile("rdtsc" : "=a"(low), "=d"(high));
  const uint64_t ticks = (uint64_t{high} << 32 | low) - boot.tsc_base;
  return static_cast<uint64_t>(static_cast<unsigned __int128>(ticks) * boot.tsc_multiplier >> 32) +
         boot.tsc_nanoseconds;
}

observe::Disposition disposition_of(uint64_t number) {
  const calls::Call* call = calls::find(number);
  if (call == nullptr) return observe::Disposition::refused;
  switch (call->route) {
    case calls::Route::library:
      return observe::Disposition::library;
    case calls::Route::host:
      return observe::Disposition::host;
    case calls::Route::both:
      return observe::Disposition::both;
    default:
      return observe::Disposition::refused;
  }
}

observe::RingWriter ring_of(const Thread* thread) {
  const uint64_t slot = thread->carrier->id - 1;
  return {pointer(kRings + slot * kRingStride), kRingCapacity};
}

constexpr auto kCopy = [](void* to, uint64_t from, size_t size) -> size_t {
  return guarded_count(to, pointer<const void>(from), size);
};

int64_t result_of(const Thread* thread, const Context& context) {
  return thread->has_result ? thread->result : static_cast<int64_t>(context.r[RAX]);
}

void dispatch_traced(Thread* thread, Context& context) {
  const uint64_t* r = context.r;
  const auto number = static_cast<uint32_t>(r[RAX]);
  const uint64_t args[6] = {r[RDI], r[RSI], r[RDX], r[R10], r[R8], r[R9]};
  ring_of(thread).prepare();
  observe::Record record;
  record.time = now();
  record.duration = 0;
  record.pid = thread->process;
  record.tid = thread->tid;
  record.disposition = disposition_of(r[RAX]);
  record.transport = context.frame != nullptr ? observe::Transport::trapped : observe::Transport::rewritten;
  observe::capture_entry(record, number, args, kCopy);
  // What may not come back is kept before.
  if (number == SYS_exit || number == SYS_exit_group || number == SYS_execve || number == SYS_execveat) {
    record.no_result = 1;
    ring_of(thread).push(record);
    dispatch(thread, context);
    if (result_of(thread, context) >= 0) return;
    record.no_result = 0;
  } else {
    record.no_result = 0;
    dispatch(thread, context);
  }
  record.duration = now() - record.time;
  observe::capture_exit(record, result_of(thread, context), kCopy);
  ring_of(thread).push(record);
}

template <typename Word>
void add_one(Word& to) {
  __atomic_store_n(&to, __atomic_load_n(&to, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

// Before the call, which may not come back.
uint32_t& count(const Thread* thread, const Context& context) {
  auto& counts = *pointer<Counts>(kCounts + (thread->carrier->id - 1) * kCountsStride);
  const uint64_t number = context.r[RAX] < Counts::kNumbers ? context.r[RAX] : Counts::kNumbers - 1;
  const uint64_t form = context.r[R11] % Counts::kForms;  // from rt_counted
  add_one(counts.entries[context.frame != nullptr ? Counts::kTrapped : form]);
  add_one(counts.calls[number]);
  return counts.enosys[number];
}

}  // namespace

void dispatch_watched(Thread* thread, Context& context) {
  uint32_t* enosys = boot.count != 0 ? &count(thread, context) : nullptr;
  thread->has_result = false;
  boot.trace != 0 ? dispatch_traced(thread, context) : dispatch(thread, context);
  if (enosys != nullptr && result_of(thread, context) == -kEnosys) add_one(*enosys);
}

}  // namespace sandstone::runtime
