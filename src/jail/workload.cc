#include "jail/workload.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "init/protocol.h"
#include "jail/engine.h"

namespace sandstone::jail {
namespace {

std::chrono::nanoseconds duration(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

class JailEngine final : public engine::Engine {
 public:
  [[nodiscard]] bool serves(Tier tier) const override { return tier <= Tier::full; }
  Result<std::unique_ptr<engine::Workload>> start(const RunSpec& spec, engine::Ports ports) const override {
    return JailWorkload::start(spec, std::move(ports));
  }
};

}  // namespace

const engine::Engine& jail_engine() {
  static const JailEngine engine;
  return engine;
}

Result<std::unique_ptr<engine::Workload>> JailWorkload::start(const RunSpec& spec, engine::Ports ports,
                                                              Program* program) {
  auto prepared = prepare(spec);
  if (!prepared) return prepared.error();
  std::unique_ptr<JailWorkload> workload(new JailWorkload(std::move(*prepared)));
  // Before anything else of ours is started: the network's process must not be in the sandbox's group, nor
  // end with it.
  if (auto made = workload->make_group(spec); !made) return made.error();
  walls::Setup& setup = workload->prepared_->setup;
  setup.serves_calls = program != nullptr && program->serves_calls;
  if (spec.network == Network::user) {
    auto network = net::UserNetwork::start(spec);
    if (!network) return network.error();
    workload->network_ = std::move(*network);
  }
  const bool serves_itself = program != nullptr && program->frames.valid();
  auto& group = workload->group_;
  auto launched =
      launch(setup, workload->prepared_->walls, std::move(ports), group ? group->fd() : -1, program);
  if (!launched && group && group->usage().memory_kills > 0)
    return Error{"-m", "the kernel ran out of it while the walls were raised", "raise it"};
  if (!launched) return launched.error();
  workload->launched_ = std::move(*launched);
  Launched& child = workload->launched_;
  if (child.processes.valid()) workload->pids_watch_.emplace(*spec.limits.pids);
  if (child.listener.valid()) workload->denials_.emplace(std::move(child.listener));
  if (workload->network_) {
    if (auto attached = workload->network_->attach(std::move(serves_itself ? program->frames : child.frames));
        !attached)
      return attached.error();
  }
  tell(child.control, static_cast<uint32_t>(init::Kind::go), 0);
  return std::unique_ptr<engine::Workload>(std::move(workload));
}

Result<void> JailWorkload::make_group(const RunSpec& spec) {
  if (!prepared_->setup.has("control-group")) return {};
  auto group = walls::ControlGroup::create(walls::group_limits(spec));
  if (group) {
    group_ = std::move(*group);
    return {};
  }
  if (!spec.best_effort) return group.error();
  const Missing lost{"control-group", group.error().what, group.error().remedy};
  auto prepared = prepare(spec, &lost);
  if (!prepared) return prepared.error();
  prepared_ = std::move(*prepared);
  return {};
}

JailWorkload::~JailWorkload() {
  if (launched_.pid < 0 || ending_) return;
  kill();
  reap();
}

void JailWorkload::add_to(std::vector<pollfd>& polled) const {
  polled.push_back({launched_.pidfd.get(), POLLIN, 0});
  polled.push_back({launched_.control.get(), POLLIN, 0});
  if (denials_ && denials_->fd() >= 0) polled.push_back({denials_->fd(), POLLIN, 0});
  if (network_ && network_->event_fd() >= 0) polled.push_back({network_->event_fd(), POLLIN, 0});
}

void JailWorkload::on_ready(const pollfd& ready, engine::Recorder& recorder) {
  if (denials_ && ready.fd == denials_->fd()) return denials_->on_ready(ready.revents, recorder);
  if (network_ && ready.fd == network_->event_fd()) return on_network(recorder);
  if (ready.fd == launched_.control.get()) return on_message();
  if (ready.fd != launched_.pidfd.get()) return;
  if (network_)
    for (Denial& last : network_->finish()) recorder.denial(std::move(last));
  reap();
}

// Everything from process 1 is bounds-checked: without the wall `user` the workload may have got hold of it.
void JailWorkload::on_message() {
  init::Message message{};
  const ssize_t size = ::recv(launched_.control.get(), &message, sizeof message, MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size != sizeof message) {
    launched_.control.reset();  // end of file: the pidfd says the rest
    return;
  }
  if (message.kind == init::Kind::exited && !exit_status_) exit_status_ = message.value & 0xffff;
  if (message.kind == init::Kind::exec_failed && !exec_errno_) exec_errno_ = message.value & 0xfff;
  if (message.kind == init::Kind::slot && pids_watch_) pids_watch_->answered(message.value);
}

void JailWorkload::on_network(engine::Recorder& recorder) {
  auto denial = network_->next();
  if (!denial) return recorder.emit(Event::Kind::note, denial.error().line());
  if (*denial) recorder.denial(std::move(**denial));
}

void JailWorkload::signal(int signal) {
  tell(launched_.control, static_cast<uint32_t>(init::Kind::signal), signal);
}

void JailWorkload::kill() {
  if (group_) group_->kill();
  // With a pid namespace everything dies with process 1. Without one it has to be asked, and does the rest by
  // closing.
  if (prepared_->setup.has("pid")) {
    ::kill(launched_.pid, SIGKILL);
    return;
  }
  ::shutdown(launched_.control.get(), SHUT_RDWR);
  ::kill(launched_.pid, SIGCONT);  // without walls the workload may have stopped it
}

bool JailWorkload::is_disk_full() const {
  struct statvfs disk{};
  if (!launched_.disk.valid() || ::fstatvfs(launched_.disk.get(), &disk) != 0) return false;
  return disk.f_bfree == 0 || disk.f_ffree == 0;
}

// Each refused fork is counted: one at every look for a second on end is no burst.
bool JailWorkload::look_at_group(engine::Recorder& recorder) {
  constexpr int kLooksOfABomb = 10;
  const uint64_t refused = group_->usage().pids_refused;
  if (std::exchange(forks_refused_, refused) == refused) {
    looks_refused_ = 0;
    return false;
  }
  recorder.limit("pids");
  return ++looks_refused_ >= kLooksOfABomb;
}

bool JailWorkload::look_at_processes() {
  const uint64_t ours = 1 + (pids_watch_->holds_slot() ? 1U : 0U);
  const uint64_t count = count_tasks(launched_.processes, *prepared_->setup.spec.limits.pids + ours);
  switch (pids_watch_->look(count > ours ? count - ours : 0)) {
    case PidsWatch::Wish::release_slot:
      tell(launched_.control, static_cast<uint32_t>(init::Kind::release_slot), 0);
      break;
    case PidsWatch::Wish::take_slot:
      tell(launched_.control, static_cast<uint32_t>(init::Kind::take_slot), 0);
      break;
    case PidsWatch::Wish::none:
      break;
  }
  return pids_watch_->is_bomb();
}

bool JailWorkload::look_at_limits(engine::Recorder& recorder) {
  if (is_disk_full()) recorder.limit("disk");
  if (!prepared_->setup.spec.limits.pids) return false;
  return pids_watch_ ? look_at_processes() : group_ && look_at_group(recorder);
}

void JailWorkload::settle_usage(engine::Ending& ending, const rusage& used) {
  ending.usage.user_cpu = duration(used.ru_utime);
  ending.usage.system_cpu = duration(used.ru_stime);
  ending.usage.peak_memory_bytes = static_cast<uint64_t>(used.ru_maxrss) << 10;
  ending.disk_full = is_disk_full();
  launched_.disk.reset();  // what was written is the group's memory until then
  if (!group_) return;
  const auto usage = group_->usage();
  ending.out_of_memory = usage.memory_kills > 0;
  ending.forks_refused = usage.pids_refused > 0;
  ending.usage.peak_memory_is_total = usage.peak_memory_bytes.has_value();
  if (usage.peak_memory_bytes) ending.usage.peak_memory_bytes = *usage.peak_memory_bytes;
  ending.usage.user_cpu = std::chrono::microseconds(usage.user_usec);
  ending.usage.system_cpu = std::chrono::microseconds(usage.system_usec);
  group_.reset();
}

void JailWorkload::reap() {
  int status = 0;
  rusage used{};
  pid_t pid = 0;
  do pid = ::wait4(launched_.pid, &status, __WALL, &used);
  while (pid < 0 && errno == EINTR);
  while (launched_.control.valid()) {
    pollfd left{launched_.control.get(), POLLIN, 0};
    if (::poll(&left, 1, 0) != 1) break;
    on_message();
  }
  engine::Ending ending;
  settle_usage(ending, used);
  if (exec_errno_) {
    ending.kind = engine::Ending::Kind::exec_failed;
    ending.exec_errno = *exec_errno_;
  } else if (exit_status_) {
    ending.kind = engine::Ending::Kind::exited;
    ending.wait_status = *exit_status_;
  } else if (WIFSIGNALED(status)) {
    ending.kind = engine::Ending::Kind::exited;  // process 1 was killed, and the workload with it
    ending.wait_status = SIGKILL;
  } else {
    ending.error = Error{"sandbox", "process 1 ended without a report", {}};
  }
  network_.reset();
  ending_ = std::move(ending);
}

}  // namespace sandstone::jail
