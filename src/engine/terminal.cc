#include "engine/terminal.h"

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
  resized();
  output_ = std::make_unique<Relay>(master_.duplicate(), Fd(::dup(STDOUT_FILENO)));
  if (!interactive_) return;
  termios raw = before_;
  ::cfmakeraw(&raw);
  raw_ = ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
  input_ = std::make_unique<Relay>(Fd(::dup(STDIN_FILENO)), master_.duplicate());
}

void CallersTerminal::resized() {
  winsize size{};
  if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) ::ioctl(master_.get(), TIOCSWINSZ, &size);
}

}  // namespace sandstone::engine
