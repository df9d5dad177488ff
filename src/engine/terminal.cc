#include "engine/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace sandstone::engine {

Result<std::unique_ptr<CallersTerminal>> CallersTerminal::open(bool interactive) {
  std::unique_ptr<CallersTerminal> terminal(new CallersTerminal(interactive));
  if (::tcgetattr(STDIN_FILENO, &terminal->before_) != 0 || ::isatty(STDOUT_FILENO) != 1)
    return Error{"-t", "the input and output are not a terminal", "leave -t out, or run it in one"};
  return terminal;
}

CallersTerminal::~CallersTerminal() {
  if (raw_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

void CallersTerminal::attach(Fd master) {
  master_ = std::move(master);
  if (!master_.valid()) return;
  ::fcntl(master_.get(), F_SETFL, O_NONBLOCK);  // a workload that does not read must not hold us up
  resized();
  output_ = std::make_unique<Relay>(master_.duplicate(), Fd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)));
  if (!interactive_) return;
  termios raw = before_;
  ::cfmakeraw(&raw);
  raw_ = ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
  Fd source = reopen_nonblocking(STDIN_FILENO, O_RDONLY);
  if (!source.valid()) source = Fd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  input_ = std::make_unique<Relay>(std::move(source), master_.duplicate());
}

void CallersTerminal::resized() {
  winsize size{};
  if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) ::ioctl(master_.get(), TIOCSWINSZ, &size);
}

}  // namespace sandstone::engine
