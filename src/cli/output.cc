#include "cli/output.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <string>

#include "base/fd.h"

namespace sandstone::cli {
namespace {

// Keeps SIGPIPE from this thread while it writes. Ignoring the signal would be simpler, but the workload
// would inherit that.
class NoSigpipe {
 public:
  NoSigpipe() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;
  ~NoSigpipe() {
    const timespec now{};
    if (hit_ && ::sigismember(&before_, SIGPIPE) == 0)
      while (::sigtimedwait(&pipe_, nullptr, &now) < 0 && errno == EINTR) {
      }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  void hit() { hit_ = true; }

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool hit_ = false;
};

// 0 or the errno.
int write_plainly(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno;
    text.remove_prefix(static_cast<size_t>(put));
  }
  return 0;
}

}  // namespace

Result<void> write_all(int fd, std::string_view text) {
  NoSigpipe guard;
  const int error = write_plainly(fd, text);
  if (error == 0) return {};
  if (error == EPIPE) guard.hit();
  return system_error({}, "cannot write", error);
}

void say(std::string_view line) {
  std::string text("sandstone: ");
  text += line;
  text += '\n';
  (void)write_all(STDERR_FILENO, text).ok();  // stderr is the last place to tell of anything
}

int fail(const Error& error) {
  say(error.line());
  return kFailed;
}

int print(std::string_view text) {
  const int error = write_plainly(STDOUT_FILENO, text);
  return error == 0 ? 0 : fail(system_error("standard output", "cannot write", error));
}

}  // namespace sandstone::cli
