#include "engine/foreground.h"

#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "engine/streams.h"
#include "engine/supervisor.h"
#include "engine/terminal.h"

namespace sandstone::engine {
namespace {

Outcome failed(const RunSpec& spec, Error error) {
  Outcome outcome;
  outcome.tier = spec.tier;
  outcome.error = std::move(error);
  return outcome;
}

// Signals meant for the workload, taken from the caller's handlers for the time of the run.
class ForwardedSignals {
 public:
  ForwardedSignals() {
    sigset_t forwarded;
    sigemptyset(&forwarded);
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT})
      sigaddset(&forwarded, signal);
    ::pthread_sigmask(SIG_BLOCK, &forwarded, &before_);
    fd_ = Fd(::signalfd(-1, &forwarded, SFD_CLOEXEC | SFD_NONBLOCK));
    pipe_before_ = ::signal(SIGPIPE, SIG_IGN);
  }
  ForwardedSignals(const ForwardedSignals&) = delete;
  ForwardedSignals& operator=(const ForwardedSignals&) = delete;
  ~ForwardedSignals() {
    ::signal(SIGPIPE, pipe_before_);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  sigset_t before_{};
  Fd fd_;
  void (*pipe_before_)(int);
};

}  // namespace

Outcome run_in_foreground(const RunSpec& spec, const EventSink& sink) {
  if (auto checked = spec.check(); !checked) return failed(spec, checked.error());
  auto engine = engine_for(spec.tier);
  if (!engine) return failed(spec, engine.error());

  ForwardedSignals signals;
  Supervisor supervisor(spec, sink);
  std::unique_ptr<CallersTerminal> terminal;
  Ports ports;
  if (spec.terminal) {
    auto opened = CallersTerminal::open(spec.interactive);
    if (!opened) return failed(spec, opened.error());
    terminal = std::move(*opened);
    supervisor.set_terminal(terminal.get());
  } else {
    auto made = connect_streams(
        {spec.interactive ? Stream::inherit : Stream::null, Stream::inherit, Stream::inherit}, true);
    if (!made) return failed(spec, made.error());
    ports = std::move(made->ports);
    if (made->input) supervisor.set_input(std::move(*made->input));
    for (Relay& relay : made->outputs) supervisor.add_output(std::move(relay));
  }
  if (auto started = supervisor.start(**engine, std::move(ports)); !started)
    return failed(spec, started.error());
  return supervisor.run({Fd(), signals.fd()});
}

}  // namespace sandstone::engine
