// A workload behind the jail's walls.
#pragma once

#include <sys/resource.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "jail/denials.h"
#include "jail/launch.h"
#include "jail/pids_watch.h"
#include "jail/prepare.h"
#include "net/user_network.h"
#include "walls/control_group.h"

namespace sandstone::jail {

class JailWorkload final : public engine::Workload {
 public:
  // `program`: what to run instead of the spec's command, with that as its last arguments; null: the command itself.
  static Result<std::unique_ptr<engine::Workload>> start(const RunSpec& spec, engine::Ports ports,
                                                         Program* program = nullptr);
  ~JailWorkload() override;

  [[nodiscard]] const std::vector<std::string>& walls() const override { return prepared_->setup.walls; }
  [[nodiscard]] const std::vector<Missing>& missing() const override { return prepared_->missing; }
  [[nodiscard]] Fd take_terminal() override { return std::move(launched_.terminal); }
  void add_to(std::vector<pollfd>& polled) const override;
  void on_ready(const pollfd& ready, engine::Recorder& recorder) override;
  [[nodiscard]] const std::optional<engine::Ending>& ending() const override { return ending_; }
  void signal(int signal) override;
  void kill() override;
  bool look_at_limits(engine::Recorder& recorder) override;

 private:
  explicit JailWorkload(std::unique_ptr<Prepared> prepared) : prepared_(std::move(prepared)) {}
  Result<void> make_group(const RunSpec& spec);
  void on_message();
  void on_network(engine::Recorder& recorder);
  [[nodiscard]] bool is_disk_full() const;
  bool look_at_group(engine::Recorder& recorder);
  bool look_at_processes();
  void settle_usage(engine::Ending& ending, const rusage& used);
  void reap();

  std::unique_ptr<Prepared> prepared_;
  std::optional<walls::ControlGroup> group_;
  std::optional<net::UserNetwork> network_;
  Launched launched_;
  std::optional<Denials> denials_;
  std::optional<int> exit_status_;
  std::optional<int> exec_errno_;
  std::optional<PidsWatch> pids_watch_;
  uint64_t forks_refused_ = 0;
  int looks_refused_ = 0;
  std::optional<engine::Ending> ending_;
};

}  // namespace sandstone::jail
