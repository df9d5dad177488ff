#include "engine/sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sandstone::engine {
namespace {

constexpr unsigned long kTerminalDevice =
    0x80045432;  // TIOCGDEV: which terminal, whatever name it was opened by

bool is_terminal_master(int fd) {
  unsigned number = 0;
  return ::ioctl(fd, TIOCGPTN, &number) == 0;
}

}  // namespace

Fd reopen_nonblocking(int fd, int access) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return {};
  const bool terminal = S_ISCHR(info.st_mode) && ::isatty(fd) == 1;
  // The name of a master is /dev/ptmx, which opens another one. A pipe's new reader is not told of writers
  // that left before it came, and would wait for their end of file for ever.
  if (terminal ? is_terminal_master(fd) : !S_ISFIFO(info.st_mode) || access == O_RDONLY) return {};
  const int flags = access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  Fd own(::open(fmt::format("/proc/self/fd/{}", fd).c_str(), flags));
  if (own.valid() || !terminal) return own;
  // After su(1) the terminal is somebody else's, but may still be the controlling one, which anybody may
  // open.
  own = Fd(::open("/dev/tty", flags));
  unsigned wanted = 0;
  unsigned found = 0;
  if (!own.valid() || ::ioctl(fd, kTerminalDevice, &wanted) != 0 ||
      ::ioctl(own.get(), kTerminalDevice, &found) != 0 || wanted != found)
    return {};
  return own;
}

bool same_output(int a, int b) {
  struct stat of_a{};
  struct stat of_b{};
  if (::fstat(a, &of_a) != 0 || ::fstat(b, &of_b) != 0) return false;
  if (of_a.st_dev != of_b.st_dev || of_a.st_ino != of_b.st_ino) return false;
  // A pipe or a terminal is one stream, however often it was opened; a file has a position for each
  // description.
  if (!S_ISREG(of_a.st_mode) && !S_ISBLK(of_a.st_mode)) return true;
  const pid_t self = ::getpid();
  return ::syscall(SYS_kcmp, self, self, KCMP_FILE, a, b) == 0;
}

void Sink::choose() {
  struct stat info{};
  way_ = Way::plain;
  if (::fstat(fd_.get(), &info) != 0) return;
  if (S_ISSOCK(info.st_mode)) way_ = Way::socket;
  if (!S_ISFIFO(info.st_mode) && ::isatty(fd_.get()) != 1) return;
  if ((::fcntl(fd_.get(), F_GETFL) & O_NONBLOCK) != 0) {
    way_ = Way::nonblocking;
    return;
  }
  way_ = Way::in_pieces;
  Fd own = reopen_nonblocking(fd_.get(), O_WRONLY);
  if (!own.valid()) return;
  fd_ = std::move(own);
  way_ = Way::nonblocking;
}

long Sink::write(const char* data, size_t size) {
  if (way_ == Way::unknown) choose();
  switch (way_) {
    case Way::socket:
      return ::send(fd_.get(), data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    case Way::in_pieces: {
      // A pipe of another user's. Since Linux 6.4 a single write may ask not to wait; before, PIPE_BUF bytes
      // are what poll(2) promises room for, if nobody else writes in between.
      iovec piece{const_cast<char*>(data), std::min<size_t>(size, PIPE_BUF)};
      const long put = ::pwritev2(fd_.get(), &piece, 1, -1, RWF_NOWAIT);
      if (put >= 0 || (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS)) return put;
      return ::write(fd_.get(), data, piece.iov_len);
    }
    default:
      return ::write(fd_.get(), data, size);
  }
}

}  // namespace sandstone::engine
