// Parts of /proc that speak of the whole host or act on it: hidden, or made read-only.

#include "walls/factories.h"
#include "walls/setup.h"

namespace sandstone::walls {
namespace {

constexpr const char* kHidden[] = {"/proc/kcore",      "/proc/keys", "/proc/key-users", "/proc/kmsg",
                                   "/proc/timer_list", "/proc/acpi", "/proc/scsi"};
constexpr const char* kReadOnly[] = {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus",
                                     "/proc/fs"};

class ProcMaskWall final : public Wall {
 public:
  [[nodiscard]] const char* name() const override { return "proc-mask"; }
  [[nodiscard]] Support support() const override { return {}; }

  // The root wall carries the steps out; being built after it puts them after the mount of /proc.
  Result<void> build(Setup& setup) override {
    if (!setup.has("root")) return {};
    for (const char* path : kHidden) {
      ViewStep step;
      step.kind = ViewStep::Kind::mask;
      step.source = "/dev/null";
      step.destination = path;
      setup.view.push_back(std::move(step));
    }
    for (const char* path : kReadOnly) {
      ViewStep step;
      step.kind = ViewStep::Kind::read_only;
      step.destination = path;
      setup.view.push_back(std::move(step));
    }
    return {};
  }
};

}  // namespace

std::unique_ptr<Wall> make_proc_mask_wall() {
  return std::make_unique<ProcMaskWall>();
}

}  // namespace sandstone::walls
