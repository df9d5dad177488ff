// Answers the guests' calls where they come by notification (runtime::Mode::notify).
//
// Nothing that a guest says is believed but what the host's kernel says of it: which thread it is, where its
// call came from, and the call's words. Of the slots, which the guests can write, only the words of a request
// are read, once each.
#pragma once

#include <linux/seccomp.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "kernel/task.h"
#include "runtime/runtime.h"

namespace sandstone::kernel {

class Answerer {
 public:
  // `undertaker`: a task of our own, with whose rights those of dead processes are killed. `trace`: each call
  // of a guest's that reaches the library kernel is recorded here, in rings that no guest has in its memory
  // (kernel/tracer.h). `count`: they are counted, in the first slot's Counts, which no guest has either.
  Answerer(Task& init, Task undertaker, uint64_t notify_end, bool trace, bool count)
      : header_(&init.header()),
        undertaker_(undertaker),
        notify_end_(notify_end),
        trace_(trace),
        count_(count) {}

  // A thread may begin with the task that the carrier is bound to.
  void expect(lib_carrier* carrier, int32_t task, int32_t process);
  // Answers for ever, on threads of its own.
  void start(int listener);

 private:
  // A thread of a guest's.
  struct Guest {
    lib_carrier* carrier = nullptr;
    int32_t task = 0;  // in the first pid namespace, as its process
    int32_t process = 0;
    int tid = 0, pid = 0;  // the host's
    uint64_t slot = 0;     // its address
    bool calls = false;    // one of its calls is being made
    bool is_gone = false;  // and nobody waits for the answer
    // What a call of its own code has left to deliver.
    uint32_t status = LIB_RETURNED;
    uint64_t again = 0;  // number + 1
    lib_signal signal{};
  };
  using Owned = std::shared_ptr<Guest>;

  void receive();
  void wait_for_turn();
  void add_receiver();
  int64_t answer(const seccomp_notif& call);
  int64_t answer_own(const Owned& guest, const seccomp_notif& call);
  int64_t answer_request(const Owned& guest, const seccomp_notif& call);
  int64_t make_watched(const Owned& guest, uint64_t number, const uint64_t (&words)[6], bool held);
  int64_t make_traced(const Owned& guest, uint64_t number, const uint64_t (&words)[6], bool held);
  int64_t make(const Owned& guest, uint64_t number, const uint64_t (&words)[6], bool held);
  int64_t due(const Owned& guest);
  int64_t clone(const Owned& guest, const uint64_t (&words)[6]);
  int64_t begin(int tid, uint64_t slot, int32_t task, int pid);
  int64_t move(const Owned& guest);
  int64_t forget(int32_t task);
  void tell(Guest& guest);
  void kill(const Guest& guest, uint64_t call);
  void drop(const Owned& guest);
  void release(Guest& guest);
  void watch_deaths();
  void bury(int pid);
  Owned find(int tid);

  lib_header* header_;
  std::mutex undertakers_;
  Task undertaker_;
  uint64_t notify_end_;
  bool trace_, count_;
  int listener_ = -1;
  std::mutex mutex_;
  std::unordered_map<int, Owned> guests_;  // by tid
  std::map<int32_t, Owned> expected_;      // by task
  std::atomic<int> idle_{0};
  std::atomic<bool> is_awaited_{false};  // somebody waits for a call
  uint32_t relief_ = 0;                  // futex; counts calls that have gone to sleep (lib_carrier.relief)
};

}  // namespace sandstone::kernel
