// One factory for each wall; each is defined in the wall's own file.
#pragma once

#include <memory>

#include "walls/wall.h"

namespace sandstone::walls {

std::unique_ptr<Wall> make_environment_wall();
std::unique_ptr<Wall> make_descriptors_wall();
std::unique_ptr<Wall> make_session_wall();
std::unique_ptr<Wall> make_control_group_wall();
std::unique_ptr<Wall> make_net_wall();
std::unique_ptr<Wall> make_mount_wall();
std::unique_ptr<Wall> make_user_wall();
std::unique_ptr<Wall> make_pid_wall();
std::unique_ptr<Wall> make_ipc_wall();
std::unique_ptr<Wall> make_uts_wall();
std::unique_ptr<Wall> make_cgroup_wall();
std::unique_ptr<Wall> make_time_wall();
std::unique_ptr<Wall> make_root_wall();
std::unique_ptr<Wall> make_proc_mask_wall();
std::unique_ptr<Wall> make_rlimits_wall();
std::unique_ptr<Wall> make_landlock_wall();
std::unique_ptr<Wall> make_capabilities_wall();
std::unique_ptr<Wall> make_no_new_privs_wall();
std::unique_ptr<Wall> make_seccomp_wall();

}  // namespace sandstone::walls
