// A workload of the tier kernel: the jail's, and what its kernel counts.
#pragma once

#include <memory>
#include <optional>

#include "base/fd.h"
#include "engine/engine.h"

namespace sandstone::kernel {

// A file for the last Stats, to be written by sandstone-kernel (counters.h) and read when it has ended.
Result<Fd> make_stats_file();

class CountedWorkload final : public engine::Workload {
 public:
  CountedWorkload(std::unique_ptr<engine::Workload> inner, Fd stats)
      : inner_(std::move(inner)), stats_(std::move(stats)) {}

  [[nodiscard]] const std::vector<std::string>& walls() const override { return inner_->walls(); }
  [[nodiscard]] const std::vector<Missing>& missing() const override { return inner_->missing(); }
  [[nodiscard]] Fd take_terminal() override { return inner_->take_terminal(); }
  void add_to(std::vector<pollfd>& polled) const override { inner_->add_to(polled); }
  void on_ready(const pollfd& ready, engine::Recorder& recorder) override;
  [[nodiscard]] const std::optional<engine::Ending>& ending() const override { return ending_; }
  void signal(int signal) override { inner_->signal(signal); }
  void kill() override { inner_->kill(); }
  bool look_at_limits(engine::Recorder& recorder) override { return inner_->look_at_limits(recorder); }

 private:
  std::unique_ptr<engine::Workload> inner_;
  Fd stats_;
  std::optional<engine::Ending> ending_;
};

}  // namespace sandstone::kernel
