#include "kernel/notify.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include "base/sys.h"
#include "calls/table.h"
#include "libkernel/futex.h"
#include "libkernel/quiet_thread.h"
#include "observe/capture.h"
#include "observe/ring.h"

namespace sandstone::kernel {
namespace {

// A call may block for ever, so there is always another to take the next.
constexpr int kLeastIdle = 1, kMostIdle = 16;
constexpr int64_t kRestart = -512;
constexpr uint64_t kSetFlags = SECCOMP_IOW(4, uint64_t);  // SECCOMP_IOCTL_NOTIF_SET_FLAGS, Linux 6.6
constexpr uint64_t kSyncWakeUp = 1;                       // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP

lib_carrier& copy_in(uint64_t slot) {
  return *reinterpret_cast<lib_carrier*>(slot + runtime::kCarrierAt);
}  // NOLINT: a fixed address

// What the run-time may ask for, beside the calls that any guest's code may make: its halves of those that
// are both's.
bool is_runtimes(uint64_t number) {
  switch (number) {
    case SYS_execve:
    case SYS_execveat:
    case SYS_exit:
    case SYS_exit_group:
    case SYS_mmap:
    case SYS_munmap:
    case SYS_mprotect:
    case SYS_mremap:
    case SYS_msync:
    case SYS_shmat:
    case SYS_shmdt:
    case SYS_prctl:
    case SYS_get_robust_list:
    case SYS_sched_getaffinity:
    case SYS_sched_setaffinity:
    case SYS_clock_gettime:
    case SYS_getrusage:
    case LIB_CALL_EXEC:
    case LIB_CALL_FAULT:
    case LIB_CALL_AREA:
    case LIB_CALL_PAGES:
      return true;
    default:
      return false;
  }
}

bool is_librarys(uint64_t number) {
  const calls::Call* call = calls::find(number);
  return call != nullptr && call->route == calls::Route::library;
}

void* ring_of(uint32_t carrier) {
  return reinterpret_cast<void*>(runtime::kRings +
                                 (carrier - 1) * runtime::kRingStride);  // NOLINT: a fixed address
}

// Whoever reads the trace looks into all rings up to this one.
void note_ring(uint32_t carrier) {
  const std::atomic_ref<uint32_t> most(
      *reinterpret_cast<uint32_t*>(runtime::kRingsInUse));  // NOLINT: a fixed address
  uint32_t seen = most.load();
  while (seen < carrier && !most.compare_exchange_weak(seen, carrier)) {
  }
}

uint64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

// How many bytes there were before a bad address.
size_t copy_from(int tid, void* to, uint64_t from, size_t size) {
  const iovec ours{to, size};
  const iovec theirs{reinterpret_cast<void*>(from), size};  // NOLINT: the guest's address
  const ssize_t got = ::process_vm_readv(tid, &ours, 1, &theirs, 1, 0);
  return got < 0 ? 0 : static_cast<size_t>(got);
}

void pause_a_moment() {
  const timespec part{0, 1'000'000};
  ::nanosleep(&part, nullptr);
}

}  // namespace

Answerer::Owned Answerer::find(int tid) {
  const std::lock_guard lock(mutex_);
  const auto found = guests_.find(tid);
  return found == guests_.end() ? nullptr : found->second;
}

void Answerer::expect(lib_carrier* carrier, int32_t task, int32_t process) {
  auto guest = std::make_shared<Guest>();
  guest->carrier = carrier;
  guest->task = task;
  guest->process = process;
  if (trace_) note_ring(carrier->id);
  carrier->memory = LIB_MEMORY_NONE;
  const std::lock_guard lock(mutex_);
  expected_[task] = std::move(guest);
}

void Answerer::start(int listener) {
  listener_ = listener;
  if (count_) *reinterpret_cast<uint32_t*>(runtime::kCountsInUse) = 1;  // NOLINT: a fixed address
  ::ioctl(listener_, kSetFlags, kSyncWakeUp);  // a host that does not know it wakes them as it likes
  for (int i = 0; i < kLeastIdle; ++i) add_receiver();
  libkernel::quiet_thread([this] { watch_deaths(); }).detach();
}

void Answerer::add_receiver() {
  idle_.fetch_add(1);
  try {
    libkernel::quiet_thread([this] { receive(); }).detach();
  } catch (const std::system_error&) {
    idle_.fetch_sub(1);  // the limit on processes: those that there are must do
  }
}

// The host wakes all who wait for a call, at a microsecond and more each, so one does, and its relief waits to be woken.
void Answerer::wait_for_turn() {
  const auto relief = libkernel::shared_word(relief_);
  for (;;) {
    const uint32_t seen = relief.load();
    if (!is_awaited_.exchange(true)) return;
    libkernel::futex_wait(relief_, seen);
  }
}

void Answerer::receive() {
  // A guest's thread with our number is dead, and its last call must not write to us.
  if (const Owned dead = find(static_cast<int>(::gettid())); dead != nullptr) drop(dead);
  for (;;) {
    wait_for_turn();
    seccomp_notif call{};
    if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) {
      const bool is_over = errno != EINTR && errno != ENOENT;
      is_awaited_ = false;
      if (is_over) return;
      continue;
    }
    is_awaited_ = false;  // until the call is done, or sleeps: make() sees to that
    if (idle_.fetch_sub(1) <= kLeastIdle) add_receiver();
    const int64_t result = answer(call);
    const bool is_one_too_many = idle_.fetch_add(1) >= kMostIdle;
    seccomp_notif_resp response{};
    response.id = call.id;
    // Any result, negative ones too: an error of the response's would be cut to what Linux calls one.
    response.val = result;
    ::ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &response);
    if (is_one_too_many) {
      idle_.fetch_sub(1);
      libkernel::shared_word(relief_).fetch_add(1);
      libkernel::futex_wake(relief_);
      return;
    }
  }
}

int64_t Answerer::answer(const seccomp_notif& call) {
  const Owned guest = find(static_cast<int>(call.pid));
  if (call.data.instruction_pointer == notify_end_) return answer_request(guest, call);
  return guest == nullptr ? -ESRCH : answer_own(guest, call);
}

int64_t Answerer::make(const Owned& guest, uint64_t number, const uint64_t (&words)[6], bool held) {
  lib_carrier* carrier = guest->carrier;
  {
    const std::lock_guard lock(mutex_);
    if (guest->is_gone || guest->calls) return -ESRCH;
    guest->calls = true;
  }
  carrier->hold = held ? 1 : 0;
  carrier->relief = reinterpret_cast<uintptr_t>(&relief_);
  const int64_t result =
      header_->enter(carrier, number, words[0], words[1], words[2], words[3], words[4], words[5]);
  guest->status = carrier->status;
  if (guest->status != LIB_RETURNED) {
    guest->signal = carrier->signal;
    carrier->status = LIB_RETURNED;
  }
  const std::lock_guard lock(mutex_);
  guest->calls = false;
  if (guest->is_gone) release(*guest);
  return result;
}

int64_t Answerer::make_watched(const Owned& guest, uint64_t number, const uint64_t (&words)[6], bool held) {
  const uint64_t as = number == LIB_CALL_CLONE ? SYS_clone : number;
  if (!count_ || as > calls::kLastNumber) return make_traced(guest, number, words, held);
  auto& counts = *reinterpret_cast<runtime::Counts*>(runtime::kCounts);  // NOLINT: a fixed address
  std::atomic_ref(counts.entries[runtime::Counts::kNotified]).fetch_add(1, std::memory_order_relaxed);
  std::atomic_ref(counts.calls[as]).fetch_add(1, std::memory_order_relaxed);
  const int64_t result = make_traced(guest, number, words, held);
  if (result == -ENOSYS) std::atomic_ref(counts.enosys[as]).fetch_add(1, std::memory_order_relaxed);
  return result;
}

int64_t Answerer::make_traced(const Owned& guest, uint64_t number, const uint64_t (&words)[6], bool held) {
  if (!trace_ || (number > calls::kLastNumber && number != LIB_CALL_CLONE))
    return make(guest, number, words, held);
  const auto as = static_cast<uint32_t>(number == LIB_CALL_CLONE ? SYS_clone : number);
  const auto copy = [tid = guest->tid](void* to, uint64_t from, size_t size) {
    return copy_from(tid, to, from, size);
  };
  const calls::Call* call = calls::find(as);
  observe::Record record;
  record.time = now();
  record.duration = 0;
  record.pid = static_cast<uint32_t>(guest->process);
  record.tid = static_cast<uint32_t>(guest->task);
  record.disposition = call != nullptr && call->route == calls::Route::both ? observe::Disposition::both
                                                                            : observe::Disposition::library;
  record.transport = observe::Transport::notified;
  observe::capture_entry(record, as, words, copy);
  observe::RingWriter ring(ring_of(guest->carrier->id), runtime::kRingCapacity);
  const bool may_not_return =
      as == SYS_exit || as == SYS_exit_group || as == SYS_execve || as == SYS_execveat;
  record.no_result = may_not_return ? 1 : 0;
  if (may_not_return) ring.push(record);
  const int64_t result = make(guest, number, words, held);
  if (may_not_return && result >= 0) return result;
  record.no_result = 0;
  record.duration = now() - record.time;
  observe::capture_exit(record, result, copy);
  if (guest->status != LIB_EXITED) ring.push(record);
  return result;
}

int64_t Answerer::answer_own(const Owned& guest, const seccomp_notif& call) {
  const auto number = static_cast<uint64_t>(static_cast<uint32_t>(call.data.nr));
  if (!is_librarys(number)) return -ENOSYS;
  uint64_t words[6];
  memcpy(words, call.data.args, sizeof words);
  const int64_t result = make_watched(guest, number, words, false);
  guest->again = 0;
  if (guest->status == LIB_RETURNED) return result;
  // The thread asks for it before its code goes on.
  if (guest->status == LIB_SIGNAL && result == kRestart) guest->again = number + 1;
  sys::call(SYS_tgkill, guest->pid, guest->tid, runtime::kKick);
  return result == kRestart ? -EINTR : result;
}

int64_t Answerer::answer_request(const Owned& guest, const seccomp_notif& call) {
  const uint64_t slot_number = call.data.args[0];
  if (guest == nullptr && slot_number >= LIB_MAX_CARRIERS) return -EINVAL;
  const uint64_t slot = guest != nullptr ? guest->slot : runtime::kSlots + slot_number * runtime::kSlotSize;
  runtime::Request request;
  memcpy(&request, reinterpret_cast<const void*>(slot + runtime::kRequestAt),
         sizeof request);  // NOLINT: a fixed address
  if (request.number == runtime::kCallBegin)
    return begin(static_cast<int>(call.pid), slot, static_cast<int32_t>(request.words[0]),
                 static_cast<int>(request.words[1]));
  if (guest == nullptr) return -ESRCH;
  int64_t result = -ENOSYS;
  switch (request.number) {
    case runtime::kCallDue:
      result = due(guest);
      break;
    case runtime::kCallMove:
      return move(guest);
    case runtime::kCallForget:
      return forget(static_cast<int32_t>(request.words[0]));
    case LIB_CALL_CLONE:
      result = clone(guest, request.words);
      break;
    default:
      if (!is_librarys(request.number) && !is_runtimes(request.number)) return -ENOSYS;
      result = make_watched(guest, request.number, request.words, request.held != 0);
  }
  if (guest->carrier->hold == 2) copy_in(slot).hold = 2;
  if (guest->status == LIB_RETURNED) return result;
  tell(*guest);
  if (guest->status == LIB_EXITED) drop(guest);
  guest->status = LIB_RETURNED;
  return result;
}

void Answerer::tell(Guest& guest) {
  lib_carrier& copy = copy_in(guest.slot);
  if (guest.status == LIB_SIGNAL) copy.signal = guest.signal;
  copy.status = guest.status;
}

int64_t Answerer::due(const Owned& guest) {
  if (guest->status != LIB_RETURNED) {
    const auto again = static_cast<int64_t>(guest->again);
    guest->again = 0;
    return again;
  }
  make(guest, SYS_getppid, {}, false);
  return 0;
}

int64_t Answerer::clone(const Owned& guest, const uint64_t (&words)[6]) {
  lib_carrier* carrier = take_carrier(*header_);
  if (carrier == nullptr) return -EAGAIN;
  carrier->kick = runtime::kKick;
  const int64_t pid = make_watched(guest, LIB_CALL_CLONE, {words[0], words[1], words[2]}, false);
  if (pid < 0) {
    carrier->used = 0;
    return pid;
  }
  const auto task = static_cast<int32_t>(guest->carrier->cloned);
  header_->bind(carrier, task);
  copy_in(guest->slot).cloned = static_cast<lib_u32>(task);
  expect(carrier, task, (words[0] & CLONE_THREAD) != 0 ? guest->process : task);
  return pid;
}

// The thread says which process it is of, and the host's kernel whether that is so.
int64_t Answerer::begin(int tid, uint64_t slot, int32_t task, int pid) {
  if (pid <= 0 || sys::call(SYS_tgkill, pid, tid, 0) != 0) return -EINVAL;
  Owned guest;
  {
    const std::lock_guard lock(mutex_);
    const auto found = expected_.find(task);
    if (found == expected_.end()) return -ESRCH;
    guest = found->second;
    expected_.erase(found);
  }
  if (const Owned old = find(tid); old != nullptr)
    drop(old);  // the number of a dead thread, or one that gives up its task
  const std::lock_guard lock(mutex_);
  guest->tid = tid;
  guest->pid = pid;
  guest->slot = slot;
  guest->carrier->tid = static_cast<lib_u32>(tid);
  guest->carrier->pid = static_cast<lib_u32>(pid);
  guest->carrier->memory = tid;
  guest->carrier->vmalloc_generation = ~lib_u64{0};  // the short way in would keep the old memory
  guests_[tid] = guest;
  return 0;
}

int64_t Answerer::move(const Owned& guest) {
  const std::lock_guard lock(mutex_);
  guests_.erase(guest->tid);
  guest->carrier->memory = LIB_MEMORY_NONE;
  guest->carrier->tid = guest->carrier->pid = 0;
  expected_[guest->task] = guest;
  return guest->task;
}

int64_t Answerer::forget(int32_t task) {
  const std::lock_guard lock(mutex_);
  const auto found = expected_.find(task);
  if (found == expected_.end()) return -ESRCH;
  release(*found->second);
  expected_.erase(found);
  return 0;
}

// With the mutex held, and no call being made.
void Answerer::release(Guest& guest) {
  header_->unbind(guest.carrier);
  __atomic_store_n(&guest.carrier->used, 0, __ATOMIC_RELEASE);
}

void Answerer::kill(const Guest& guest, uint64_t call) {
  const std::lock_guard lock(undertakers_);
  if (guest.carrier->task != 0) undertaker_.call(call, guest.task, SIGKILL);
}

// Its thread is no more, or knows that its task is not.
void Answerer::drop(const Owned& guest) {
  if (guest->status != LIB_EXITED) kill(*guest, SYS_tkill);
  const std::lock_guard lock(mutex_);
  if (const auto found = guests_.find(guest->tid); found != guests_.end() && found->second == guest)
    guests_.erase(found);
  if (guest->is_gone) return;
  guest->is_gone = true;
  if (!guest->calls) release(*guest);
}

// A process that ends without its tasks, by a signal of the host's or on its own, ends them too. Only then is
// its number free for another: until then a call that it left behind may still write to it.
void Answerer::watch_deaths() {
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) != 0) {
      if (errno == EINTR) continue;
      return;
    }
    bury(info.si_pid);
    ::waitid(P_PID, static_cast<id_t>(info.si_pid), &info, WEXITED);
  }
}

void Answerer::bury(int pid) {
  std::vector<Owned> left;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [tid, guest] : guests_)
      if (guest->pid == pid) left.push_back(guest);
  }
  for (const Owned& guest : left) kill(*guest, SYS_kill);
  for (const Owned& guest : left) {
    drop(guest);
    lib_carrier& copy = copy_in(guest->slot);
    copy.task = 0;
    __atomic_store_n(&copy.used, 0, __ATOMIC_RELEASE);
    for (bool calls = true; calls;) {
      {
        const std::lock_guard lock(mutex_);
        calls = guest->calls;
      }
      if (calls) pause_a_moment();
    }
  }
}

}  // namespace sandstone::kernel
