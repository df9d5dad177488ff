// Worker: a thread that does something whenever it is kicked.
#pragma once

#include <sandstone/result.h>

#include <atomic>
#include <functional>
#include <thread>

#include "base/fd.h"

namespace sandstone::devices {

class Worker {
 public:
  Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() { stop(); }

  // Starts the thread, which calls `work` at once and then after each kick(); many kicks may become one call.
  // The thread takes no signals. `work` must end by itself: stop() waits for it.
  Result<void> start(std::function<void()> work);
  void stop();  // ends and joins; the last call of `work` has returned. Not from `work` itself

  void kick() const;  // any thread, any signal handler, before start() too: then it is not lost
  [[nodiscard]] int kick_fd() const { return event_.get(); }  // writing 8 bytes to it kicks (eventfd(2))

 private:
  void run();

  Fd event_;
  std::function<void()> work_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace sandstone::devices
