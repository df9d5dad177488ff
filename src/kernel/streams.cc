#include "kernel/streams.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/fd.h"
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

Error refused(const char* what, int64_t error) {
  return system_error("library kernel", what, static_cast<int>(-error));
}

}  // namespace

Result<void> Streams::open(const Options& options) {
  // Process 1 has nothing open yet: 0, 1 and 2 must not be what is to be made into the guest's.
  int64_t fd = 0;
  while (fd >= 0 && fd < 2) fd = init_->call(SYS_open, "/dev/null", O_RDWR | O_CLOEXEC);
  if (fd < 0) return refused("cannot open /dev/null", fd);
  return options.terminal ? open_terminal(options.uid) : open_pipes();
}

Result<void> Streams::open_pipes() {
  for (auto& pipe : pipes_)
    if (const int64_t made = init_->call(SYS_pipe2, pipe, O_CLOEXEC); made < 0)
      return refused("cannot make a pipe", made);
  return {};
}

Result<void> Streams::open_terminal(uint32_t owner) {
  master_ = static_cast<int>(init_->call(SYS_open, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (master_ < 0) return refused("cannot open a terminal", master_);
  int number = 0;
  int unlocked = 0;
  int64_t done = init_->call(SYS_ioctl, master_, TIOCSPTLCK, &unlocked);
  if (done == 0) done = init_->call(SYS_ioctl, master_, TIOCGPTN, &number);
  if (done < 0) return refused("cannot prepare a terminal", done);
  std::snprintf(slave_, sizeof slave_, "/dev/pts/%d", number);
  init_->call(SYS_chown, slave_, owner, -1);
  // What is typed, and what is done about it, is the library kernel's affair: the host's terminal passes all
  // through.
  termios host{};
  if (::tcgetattr(0, &host) == 0) {
    ::cfmakeraw(&host);
    ::tcsetattr(0, TCSANOW, &host);
  }
  resize(*init_);
  return {};
}

void Streams::resize(Task task) const {
  winsize size{};
  if (master_ >= 0 && ::ioctl(0, TIOCGWINSZ, &size) == 0) task.call(SYS_ioctl, master_, TIOCSWINSZ, &size);
}

void Streams::give(Task& guest) {
  guest.call(SYS_setsid);
  if (master_ >= 0) {
    const int64_t terminal = guest.call(SYS_open, slave_, O_RDWR);
    guest.call(SYS_ioctl, terminal, TIOCSCTTY, 0);
    for (int fd = 0; fd < 3; ++fd) guest.call(SYS_dup2, terminal, fd);
  } else {
    guest.call(SYS_dup2, pipes_[0][0], 0);
    guest.call(SYS_dup2, pipes_[1][1], 1);
    guest.call(SYS_dup2, pipes_[2][1], 2);
  }
  guest.call(SYS_close_range, 3, ~0U, 0);
  if (master_ >= 0) return;
  init_->call(SYS_close, pipes_[0][0]);
  init_->call(SYS_close, pipes_[1][1]);
  init_->call(SYS_close, pipes_[2][1]);
}

void Streams::start() {
  const auto carry = [this](std::thread& thread, auto how, int from, int to) {
    const Task task = helper_of(*init_);
    if (task.valid()) thread = libkernel::quiet_thread([task, how, from, to] { how(task, from, to); });
  };
  carry(threads_[0], carry_in, 0, master_ >= 0 ? master_ : pipes_[0][1]);
  if (threads_[0].joinable()) threads_[0].detach();
  if (master_ >= 0) return carry(threads_[1], carry_out, master_, 1);
  carry(threads_[1], carry_out, pipes_[1][0], 1);
  carry(threads_[2], carry_out, pipes_[2][0], 2);
}

void Streams::finish() {
  for (int i = 1; i < 3; ++i)
    if (threads_[i].joinable()) threads_[i].join();
}

}  // namespace sandstone::kernel
