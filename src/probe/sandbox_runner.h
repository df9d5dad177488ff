// The Runner that runs the probe program in real sandboxes, next to a canary.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "probe/ablation.h"
#include "probe/bequest.h"
#include "probe/canary.h"

namespace sandstone::probe {

class SandboxRunner final : public Runner {
 public:
  explicit SandboxRunner(Canary& canary);

  Result<Run> run(const Column& column) override;
  Result<Run> run(const WallSet& walls) override;

  [[nodiscard]] static constexpr int workload_uid() { return 0; }  // the strongest attacker

 private:
  Result<Run> run(RunSpec spec, bool own_kernel = false);
  [[nodiscard]] std::vector<std::string> command() const;
  [[nodiscard]] std::string parameter(const std::string& key) const;

  Canary& canary_;
  Bequest bequest_;
};

// The program's output, judged with what the canary saw. What was gained of a kernel is the host's unless the
// workload has one of its own. Refuses output that is cut short.
Result<std::map<std::string, Attempt>> read_attempts(const std::string& output,
                                                     const std::set<std::string>& seen,
                                                     bool own_kernel = false);

// The operations, as the program lists them.
Result<std::vector<Operation>> list_operations(const std::string& program);

// The probe program: beside this executable, or where it is installed.
Result<std::string> find_program();

}  // namespace sandstone::probe
