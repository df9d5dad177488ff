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

}  // namespace

Result<void> write_all(int fd, std::string_view text) {
  NoSigpipe guard;
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      const int reason = errno;
      if (reason == EPIPE) guard.hit();
      return system_error({}, "cannot write", reason);
    }
    text.remove_prefix(static_cast<size_t>(put));
  }
  return {};
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
  auto result = write_all(STDOUT_FILENO, text);
  return result ? 0 : fail(Error{"standard output", result.error().what, {}});
}

}  // namespace sandstone::cli
