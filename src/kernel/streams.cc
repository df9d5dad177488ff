#include "kernel/streams.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "kernel/helper.h"
#include "libkernel/quiet_thread.h"

namespace sandstone::kernel {
namespace {

constexpr size_t kPart = 64 << 10;

bool write_all(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(fd, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) {
      pollfd ready{fd, POLLOUT, 0};
      ::poll(&ready, 1, -1);
      continue;
    }
    if (written <= 0) return false;
    data += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

void carry_out(Task task, int from, int to) {
  const auto buffer = std::make_unique<char[]>(kPart);
  bool listens = true;
  for (;;) {
    const int64_t got = task.call(SYS_read, from, buffer.get(), kPart);
    if (got == -EINTR) continue;
    if (got <= 0) return;
    listens = listens && write_all(to, buffer.get(), static_cast<size_t>(got));
    if (!listens) task.call(SYS_close, from);  // whoever writes on gets SIGPIPE
    if (!listens) return;
  }
}

void carry_in(Task task, int from, int to) {
  const auto buffer = std::make_unique<char[]>(kPart);
  for (;;) {
    const ssize_t got = ::read(from, buffer.get(), kPart);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    for (ssize_t done = 0; done < got;) {
      const int64_t written = task.call(SYS_write, to, buffer.get() + done, got - done);
      if (written == -EINTR) continue;
      if (written <= 0) return;
      done += written;
    }
  }
  task.call(SYS_close, to);
}

}  // namespace

Streams::Streams(Task& init, bool terminal) : init_(&init), terminal_(terminal) {
  // Process 1 has nothing open yet: 0, 1 and 2 must not be what is to be made into the guest's.
  while (init.call(SYS_open, "/dev/null", O_RDWR | O_CLOEXEC) < 2) {
  }
  for (auto& pipe : pipes_) init.call(SYS_pipe2, pipe, O_CLOEXEC);
}

void Streams::give(Task& guest) {
  guest.call(SYS_setsid);
  guest.call(SYS_dup2, pipes_[0][0], 0);
  guest.call(SYS_dup2, pipes_[1][1], 1);
  guest.call(SYS_dup2, pipes_[2][1], 2);
  guest.call(SYS_close_range, 3, ~0U, 0);
  init_->call(SYS_close, pipes_[0][0]);
  init_->call(SYS_close, pipes_[1][1]);
  init_->call(SYS_close, pipes_[2][1]);
}

void Streams::start() {
  for (int i = 0; i < 3; ++i) {
    const Task task = helper_of(*init_);
    if (!task.valid()) continue;
    if (i == 0) {
      threads_[0] = libkernel::quiet_thread([task, to = pipes_[0][1]] { carry_in(task, 0, to); });
      threads_[0].detach();
    } else {
      threads_[i] = libkernel::quiet_thread([task, from = pipes_[i][0], i] { carry_out(task, from, i); });
    }
  }
}

void Streams::finish() {
  for (int i = 1; i < 3; ++i)
    if (threads_[i].joinable()) threads_[i].join();
}

}  // namespace sandstone::kernel
