#include "walls/control_group.h"

#include "walls/factories.h"
#include "walls/setup.h"

namespace sandstone::walls {

Support ControlGroup::support() { return {false, {}, "no cgroup v2 with controllers", "mount cgroup2"}; }
Result<ControlGroup> ControlGroup::create(const Limits&) { return Error{"control-group", "no cgroup v2 with controllers", {}}; }
ControlGroup& ControlGroup::operator=(ControlGroup&& other) noexcept = default;
ControlGroup::~ControlGroup() = default;
void ControlGroup::kill() {}
ControlGroup::Usage ControlGroup::usage() const { return {}; }

namespace {
class ControlGroupWall final : public Wall {
 public:
  [[nodiscard]] const char* name() const override { return "control-group"; }
  [[nodiscard]] Support support() const override { return ControlGroup::support(); }
  [[nodiscard]] bool needed(const RunSpec& spec) const override {
    return spec.limits.memory_bytes.has_value() || spec.limits.cpus.has_value();
  }
};
}  // namespace

std::unique_ptr<Wall> make_control_group_wall() { return std::make_unique<ControlGroupWall>(); }

}  // namespace sandstone::walls
