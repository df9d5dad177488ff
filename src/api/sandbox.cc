#include <sandstone/sandbox.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <future>
#include <mutex>
#include <thread>

#include "base/fd.h"
#include "engine/streams.h"
#include "engine/supervisor.h"

namespace sandstone {

class Sandbox::Impl {
 public:
  Impl(RunSpec spec, EventSink sink) : spec_(std::move(spec)), supervisor_(spec_, std::move(sink)) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    request(engine::Controls::kKill);
    wait();
  }

  Result<void> start(const Streams& streams) {
    if (auto checked = spec_.check(); !checked) return checked;
    auto chosen = engine::engine_for(spec_.tier);
    if (!chosen) return chosen.error();
    auto connected = engine::connect_streams(streams, spec_.limits.output_bytes.has_value());
    if (!connected) return connected.error();
    auto requests = make_socket_pair(SOCK_SEQPACKET);
    if (!requests) return requests.error();
    if (connected->input) supervisor_.set_input(std::move(*connected->input));
    for (auto& relay : connected->outputs) supervisor_.add_output(std::move(relay));
    stdin_ = std::move(connected->stdin_end);
    stdout_ = std::move(connected->stdout_end);
    stderr_ = std::move(connected->stderr_end);
    requests_ = std::move(requests->first);

    // The workload dies with the thread that started it (PR_SET_PDEATHSIG), so that thread is the one that stays.
    std::promise<Result<void>> started;
    auto outcome_of_start = started.get_future();
    thread_ = std::thread([this, engine = *chosen, ports = std::move(connected->ports),
                           far = std::move(requests->second), promise = std::move(started)]() mutable {
      sigset_t all;
      sigfillset(&all);
      ::pthread_sigmask(SIG_BLOCK, &all, nullptr);  // the program's handlers run on its own threads
      auto result = supervisor_.start(*engine, std::move(ports));
      const bool running = result.ok();
      promise.set_value(std::move(result));
      if (running) outcome_ = supervisor_.run({std::move(far), -1});
    });
    auto result = outcome_of_start.get();
    if (!result) wait();
    return result;
  }

  Outcome wait() {
    const std::lock_guard lock(joining_);
    if (thread_.joinable()) thread_.join();
    return outcome_;
  }

  void request(int request) const {
    if (requests_.valid()) (void)::send(requests_.get(), &request, sizeof request, MSG_NOSIGNAL);
  }

  static std::string read_all(const Fd& fd) {
    std::string text;
    char block[16384];
    for (;;) {
      const ssize_t got = fd.valid() ? ::read(fd.get(), block, sizeof block) : 0;
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return text;
      text.append(block, static_cast<size_t>(got));
    }
  }

  Fd stdin_;
  Fd stdout_;
  Fd stderr_;

 private:
  RunSpec spec_;
  engine::Supervisor supervisor_;
  Fd requests_;
  std::thread thread_;
  std::mutex joining_;
  Outcome outcome_;
};

Sandbox::Sandbox(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Sandbox::Sandbox(Sandbox&&) noexcept = default;
Sandbox& Sandbox::operator=(Sandbox&&) noexcept = default;
Sandbox::~Sandbox() = default;

Result<Sandbox> Sandbox::start(RunSpec spec, Streams streams, EventSink sink) {
  if (spec.terminal)
    return Error{"-t", "a Sandbox has streams, not a terminal", "leave RunSpec::terminal false"};
  auto impl = std::make_unique<Impl>(std::move(spec), std::move(sink));
  if (auto started = impl->start(streams); !started) return started.error();
  return Sandbox(std::move(impl));
}

Outcome Sandbox::wait() {
  return impl_->wait();
}
void Sandbox::kill() {
  impl_->request(engine::Controls::kKill);
}
void Sandbox::signal(int signal) {
  impl_->request(signal);
}
int Sandbox::stdin_fd() const {
  return impl_->stdin_.get();
}
int Sandbox::stdout_fd() const {
  return impl_->stdout_.get();
}
int Sandbox::stderr_fd() const {
  return impl_->stderr_.get();
}
void Sandbox::close_stdin() {
  impl_->stdin_.reset();
}
std::string Sandbox::read_stdout() {
  return Impl::read_all(impl_->stdout_);
}
std::string Sandbox::read_stderr() {
  return Impl::read_all(impl_->stderr_);
}

}  // namespace sandstone
