// How doctor tries things: in a child, so that nothing it does to itself stays.
#pragma once

#include <optional>
#include <string>

namespace sandstone::cli {

// An experiment returns 0 or an errno.
using Experiment = int (*)();

// Runs `experiment` in a child of its own and returns what it returned. A child that dies, or that does not
// end in a few seconds, gives EINTR.
int try_in_child(Experiment experiment);

// For experiments: a new user namespace with the caller as its root, and then the namespaces of `flags` (may
// be 0).
int enter_namespaces(int flags);

std::string errno_text(int error);

// The experiment for a wall; nullptr if there is none.
Experiment experiment_of(std::string_view wall);

// Experiments beside the walls'.
int make_executable_memfd();
int mount_overlay();

}  // namespace sandstone::cli
