#include "kernel/signals.h"

#include <signal.h>
#include <sys/syscall.h>

#include <bit>

#include "kernel/helper.h"
#include "libkernel/futex.h"
#include "libkernel/quiet_thread.h"

namespace sandstone::kernel {
namespace {

using libkernel::futex_wait;
using libkernel::futex_wake;
using libkernel::shared_word;

sigset_t held() {
  sigset_t set;
  sigfillset(&set);
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGCHLD}) sigdelset(&set, signal);
  return set;
}

}  // namespace

void hold_signals() {
  const sigset_t set = held();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void release_signals() {
  const sigset_t set = held();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void collect_signals(Shared& shared, Watch watch) {
  libkernel::quiet_thread([&shared, watch]() mutable {
    const sigset_t set = held();
    constexpr timespec kSecond{1, 0};
    for (;;) {
      const int signal = ::sigtimedwait(&set, nullptr, &kSecond);
      if (signal < 0) {
        watch.look();
        continue;
      }
      std::atomic_ref<uint64_t>(shared.signals).fetch_or(uint64_t{1} << (signal - 1));
      shared_word(shared.signals_rung).fetch_add(1);
      futex_wake(shared.signals_rung);
    }
  }).detach();
}

void forward_signals(Shared& shared, Task& init, int guest, Streams& streams) {
  Task task = helper_of(init);
  if (!task.valid()) return;
  libkernel::quiet_thread([&shared, &streams, task, guest]() mutable {
    for (;;) {
      const uint32_t seen = shared_word(shared.signals_rung);
      uint64_t signals = std::atomic_ref<uint64_t>(shared.signals).exchange(0);
      for (; signals != 0; signals &= signals - 1) {
        const int signal = std::countr_zero(signals) + 1;
        if (signal == SIGWINCH)
          streams.resize(task);
        else
          task.call(SYS_kill, guest, signal);
      }
      futex_wait(shared.signals_rung, seen);
    }
  }).detach();
}

}  // namespace sandstone::kernel
