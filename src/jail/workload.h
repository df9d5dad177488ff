// A workload behind the jail's walls.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "jail/denials.h"
#include "jail/launch.h"
#include "jail/prepare.h"
#include "net/user_network.h"
#include "walls/control_group.h"

namespace sandstone::jail {

class JailWorkload final : public engine::Workload {
 public:
  static Result<std::unique_ptr<engine::Workload>> start(const RunSpec& spec, engine::Ports ports);
  ~JailWorkload() override;

  [[nodiscard]] const std::vector<std::string>& walls() const override { return prepared_->setup.walls; }
  [[nodiscard]] const std::vector<Missing>& missing() const override { return prepared_->missing; }
  [[nodiscard]] Fd take_terminal() override { return std::move(launched_.terminal); }
  void add_to(std::vector<pollfd>& polled) const override;
  void on_ready(const pollfd& ready, engine::Recorder& recorder) override;
  [[nodiscard]] const std::optional<engine::Ending>& ending() const override { return ending_; }
  void signal(int signal) override;
  void kill() override;
  [[nodiscard]] bool at_pids_limit() override;

 private:
  explicit JailWorkload(std::unique_ptr<Prepared> prepared) : prepared_(std::move(prepared)) {}
  void on_message();
  void on_network(engine::Recorder& recorder);
  void reap();

  std::unique_ptr<Prepared> prepared_;
  std::optional<walls::ControlGroup> group_;
  std::optional<net::UserNetwork> network_;
  Launched launched_;
  std::optional<Denials> denials_;
  std::optional<int> exit_status_;
  std::optional<int> exec_errno_;
  uint64_t forks_refused_ = 0;
  std::optional<engine::Ending> ending_;
};

}  // namespace sandstone::jail
