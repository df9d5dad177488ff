#include "engine/supervisor.h"

#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/units.h"

namespace sandstone::engine {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// How often to look at limits that nobody tells of by himself.
constexpr milliseconds kLook{100};
constexpr milliseconds kReaderPatience{1000};

}  // namespace

Result<const Engine*> engine_for(Tier tier) {
  for (const Engine* engine : engines())
    if (engine->serves(tier)) return engine;
  return Error{"--tier", std::string("no engine for ") + to_string(tier), {}};
}

Result<void> Supervisor::start(const Engine& engine, Ports ports) {
  auto workload = engine.start(spec_, std::move(ports));
  if (!workload) return workload.error();
  workload_ = std::move(*workload);
  if (terminal_ != nullptr) terminal_->attach(workload_->take_terminal());
  if (terminal_ != nullptr && terminal_->output() != nullptr) terminal_->output()->charge(output_budget_);
  for (Relay& relay : outputs_) relay.charge(output_budget_);
  recorder_.emit(Event::Kind::started, spec_.name);
  return {};
}

Outcome Supervisor::run(Controls controls) {
  while (!workload_->ending()) turn(controls);
  deliver_rest(controls);
  Outcome outcome;
  conclude(outcome);
  return outcome;
}

void Supervisor::turn(const Controls& controls) {
  polled_.clear();
  workload_->add_to(polled_);
  const size_t workloads = polled_.size();
  if (controls.requests.valid()) polled_.push_back({controls.requests.get(), POLLIN, 0});
  if (controls.signals >= 0) polled_.push_back({controls.signals, POLLIN, 0});
  for (const Relay& relay : outputs_) relay.add_to(polled_);
  if (input_) input_->add_to(polled_);
  Relay* const from_terminal = terminal_ != nullptr ? terminal_->output() : nullptr;
  Relay* const to_terminal = terminal_ != nullptr ? terminal_->input() : nullptr;
  if (from_terminal != nullptr) from_terminal->add_to(polled_);
  if (to_terminal != nullptr) to_terminal->add_to(polled_);

  const int ready = ::poll(polled_.data(), polled_.size(), poll_timeout());
  if (ready > 0) {
    for (size_t i = 0; i < polled_.size(); ++i) {
      const pollfd& one = polled_[i];
      if (one.revents == 0) continue;
      if (i < workloads)
        workload_->on_ready(one, recorder_);
      else if (one.fd == controls.requests.get())
        on_request(controls);
      else if (one.fd == controls.signals)
        on_signal(controls);
      else {
        for (Relay& relay : outputs_) relay.on_ready(one);
        if (input_) input_->on_ready(one);
        if (from_terminal != nullptr) from_terminal->on_ready(one);
        if (to_terminal != nullptr) to_terminal->on_ready(one);
      }
    }
  }
  watch_limits();
}

// What the workload printed last, to readers who may take their time: until they have it or are gone, the
// time is up, or somebody asks for the end. A run that ended at a limit waits for nobody who takes nothing.
void Supervisor::deliver_rest(const Controls& controls) {
  std::vector<Relay*> outputs;
  outputs.reserve(outputs_.size() + 1);
  for (Relay& relay : outputs_) outputs.push_back(&relay);
  if (terminal_ != nullptr && terminal_->output() != nullptr) outputs.push_back(terminal_->output());
  for (Relay* relay : outputs) relay->finish();
  for (bool wanted = true; wanted;) {
    polled_.clear();
    for (const Relay* relay : outputs) relay->add_to(polled_);
    const size_t left = polled_.size();
    if (left == 0) return;
    if (controls.requests.valid()) polled_.push_back({controls.requests.get(), POLLIN, 0});
    if (controls.signals >= 0) polled_.push_back({controls.signals, POLLIN, 0});
    const int ready = ::poll(polled_.data(), polled_.size(),
                             ended_for_ ? static_cast<int>(kReaderPatience.count()) : poll_timeout());
    if (ready < 0) continue;
    if (ready == 0 && ended_for_) break;
    for (size_t i = 0; i < left; ++i)
      for (Relay* relay : outputs) relay->on_ready(polled_[i]);
    for (size_t i = left; i < polled_.size(); ++i)
      if (polled_[i].revents != 0) wanted = wanted && !asks_for_the_end(controls, polled_[i].fd);
    if (!ended_for_ && spec_.limits.timeout && recorder_.since_start() >= *spec_.limits.timeout) {
      ended_for_ = Cause::timeout;
      recorder_.limit("timeout");
    }
  }
  for (Relay* relay : outputs) relay->close();
}

bool Supervisor::asks_for_the_end(const Controls& controls, int ready) {
  if (ready == controls.requests.get()) {
    int request = 0;
    return ::read(ready, &request, sizeof request) != sizeof request || request == Controls::kKill ||
           request == SIGKILL;
  }
  signalfd_siginfo info{};
  if (::read(ready, &info, sizeof info) != sizeof info) return false;
  return info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP ||
         info.ssi_signo == SIGQUIT;
}

void Supervisor::on_request(const Controls& controls) {
  int request = 0;
  if (::read(controls.requests.get(), &request, sizeof request) != sizeof request) return;
  if (request != Controls::kKill) return workload_->signal(request);
  if (!ended_for_) ended_for_ = Cause::killed;
  workload_->kill();
}

void Supervisor::on_signal(const Controls& controls) {
  signalfd_siginfo info{};
  if (::read(controls.signals, &info, sizeof info) != sizeof info) return;
  if (info.ssi_signo == SIGWINCH) {
    if (terminal_ != nullptr) terminal_->resized();
    return;
  }
  workload_->signal(static_cast<int>(info.ssi_signo));
}

uint64_t Supervisor::carried() const {
  uint64_t sum = terminal_ != nullptr && terminal_->output() != nullptr ? terminal_->output()->carried() : 0;
  for (const Relay& relay : outputs_) sum += relay.carried();
  return sum;
}

void Supervisor::watch_limits() {
  const nanoseconds now = recorder_.since_start();
  const Limits& limits = spec_.limits;
  if (limits.timeout && now >= *limits.timeout) end_for(Cause::timeout, "timeout");
  if (output_budget_.exceeded) end_for(Cause::output, "output");
  if (has_to_look() && now >= next_look_) {
    if (workload_->look_at_limits(recorder_)) end_for(Cause::pids, "pids");
    // A look at a very large sandbox takes its time: it may take a tenth of ours.
    const nanoseconds took = recorder_.since_start() - now;
    next_look_ = now + std::max<nanoseconds>(kLook, 10 * took);
  }
}

void Supervisor::end_for(Cause cause, const char* limit) {
  if (ended_for_) return;
  ended_for_ = cause;
  recorder_.limit(limit);
  workload_->kill();
}

int Supervisor::poll_timeout() const {
  if (ended_for_) return -1;
  nanoseconds next = nanoseconds::max();
  if (spec_.limits.timeout) next = *spec_.limits.timeout;
  if (has_to_look() && !workload_->ending()) next = std::min(next, next_look_);
  if (next == nanoseconds::max()) return -1;
  const auto left = duration_cast<milliseconds>(next - recorder_.since_start()).count() + 1;
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
}

void Supervisor::conclude(Outcome& outcome) {
  const Ending& ending = *workload_->ending();
  outcome.tier = spec_.tier;
  outcome.walls = workload_->walls();
  outcome.missing = workload_->missing();
  outcome.usage = ending.usage;
  outcome.stats = ending.stats;
  outcome.usage.wall = recorder_.since_start();
  outcome.usage.output_bytes = carried();
  if (ending.out_of_memory) recorder_.limit("memory");
  if (ending.disk_full) recorder_.limit("disk");
  if (ending.forks_refused) recorder_.limit("pids");

  if (ended_for_) {
    outcome.cause = *ended_for_;
    outcome.exit_status = *ended_for_ == Cause::timeout ? 124 : 137;
  } else if (ending.out_of_memory && ending.kind == Ending::Kind::exited && WIFSIGNALED(ending.wait_status)) {
    outcome.cause = Cause::memory;
    outcome.exit_status = 137;
  } else if (ending.kind == Ending::Kind::exec_failed) {
    const bool missing = ending.exec_errno == ENOENT || ending.exec_errno == ENOTDIR;
    outcome.cause = missing ? Cause::not_found : Cause::not_executable;
    outcome.exit_status = missing ? 127 : 126;
    outcome.error =
        system_error(spec_.argv[0], missing ? "command not found" : "cannot be executed", ending.exec_errno);
  } else if (ending.kind == Ending::Kind::failed) {
    outcome.cause = Cause::failed;
    outcome.exit_status = 125;
    outcome.error = ending.error;
  } else if (WIFSIGNALED(ending.wait_status)) {
    outcome.cause = Cause::signaled;
    outcome.signal = WTERMSIG(ending.wait_status);
    outcome.exit_status = 128 + outcome.signal;
  } else {
    outcome.cause = Cause::exited;
    outcome.exit_status = WEXITSTATUS(ending.wait_status);
  }
  recorder_.emit(Event::Kind::exited, to_string(outcome.cause));
  recorder_.finish(outcome);
}

}  // namespace sandstone::engine
