#include "devices/worker.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace sandstone::devices {

Worker::Worker() : event_(::eventfd(0, EFD_CLOEXEC)) {}

Result<void> Worker::start(std::function<void()> work) {
  if (!event_.valid())
    return Error{"device worker", "cannot create an eventfd", "raise the limit of open files"};
  if (thread_.joinable()) return Error{"device worker", "started twice", {}};
  work_ = std::move(work);
  stopping_ = false;
  // The supervisor's signals belong to its own threads.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = 0;
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    failed = error.code().value();
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failed != 0) return system_error("device worker", "cannot start a thread", failed);
  return {};
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  kick();
  thread_.join();
}

void Worker::kick() const {
  const int error = errno;  // a signal handler leaves errno as it was
  const uint64_t one = 1;
  while (::write(event_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
  errno = error;
}

void Worker::run() {
  while (!stopping_) {
    work_();
    uint64_t kicks = 0;
    while (::read(event_.get(), &kicks, sizeof kicks) < 0 && errno == EINTR) {
    }
  }
}

}  // namespace sandstone::devices
