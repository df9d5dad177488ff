// How doctor tries things: in a child, so that nothing it does to itself stays.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace sandstone::cli {

// Runs `experiment` in a child of its own and returns what it returned: 0 or an errno. A child that dies or
// that does not end in a few seconds gives EINTR.
int try_in_child(int (*experiment)());

// For experiments: a new user namespace in which the caller keeps its own number. 0 or the errno.
int enter_user_namespace();

// enter_user_namespace() and then these other namespaces.
int enter_namespaces(int flags);

std::optional<long> sysctl_number(const char* path);  // below /proc/sys
std::string errno_text(int error);

}  // namespace sandstone::cli
