#include <cerrno>

#include "cli/doctor.h"
#include "cli/doctor_experiments.h"
#include "walls/wall.h"

namespace sandstone::cli {
namespace {

std::string reason_of(int error) {
  if (error == ENOSYS || error == ENODEV || error == EINVAL) return "this kernel does not have it";
  if (error == ENOSPC || error == EUSERS) return "the number of such namespaces is used up";
  return errno_text(error);
}

// Where the wall itself knows of nothing in the way, something around this process is.
std::string remedy_of(std::string_view wall, int error) {
  if (error == ENOSPC || error == EUSERS)
    return "raise the limits in /proc/sys/user, or nest fewer sandboxes";
  if (wall == "proc-mask")
    return "in a container: leave its /proc unmasked (docker: --security-opt systempaths=unconfined)";
  if (error == EPERM)
    return "in a container or a chroot: let it use unshare and mount (docker: --security-opt "
           "seccomp=unconfined)";
  return {};
}

Finding examine(const walls::Wall& wall, bool user_namespaces) {
  const std::string name = wall.name();
  const walls::Support support = wall.support();
  const Area area = name == "control-group" || name == "rlimits" ? Area::limits : Area::walls;
  if (!support.available) return {name, area, Level::no, support.reason, support.remedy};

  const Experiment experiment = experiment_of(name);
  if (experiment == nullptr) {
    if (support.reason.empty()) return {name, area, Level::yes, support.extent, {}};
    const std::string detail =
        support.extent.empty() ? support.reason : support.extent + ": " + support.reason;
    return {name, area, Level::partly, detail, support.remedy};
  }
  if (!user_namespaces) return {name, area, Level::no, "needs the wall user", {}};
  const int error = try_in_child(experiment);
  if (error == 0) return {name, area, Level::yes, {}, {}};
  if (!support.reason.empty()) return {name, area, Level::no, support.reason, support.remedy};
  return {name, area, Level::no, reason_of(error), remedy_of(name, error)};
}

}  // namespace

void examine_walls(std::vector<Finding>& findings) {
  auto all = walls::make_walls(walls::all_walls());
  if (!all) return;  // the names are the walls' own
  const bool user_namespaces = try_in_child(experiment_of("user")) == 0;
  for (const auto& wall : *all)
    findings.push_back(examine(*wall, user_namespaces || wall->name() == std::string_view("user")));
  const int error = try_in_child(make_executable_memfd);
  findings.push_back({"process 1", Area::walls, error == 0 ? Level::yes : Level::no,
                      error == 0 ? "" : "a memfd may not be executable: " + errno_text(error),
                      error == 0 ? "" : "sysctl vm.memfd_noexec=1, or 0"});
}

}  // namespace sandstone::cli
