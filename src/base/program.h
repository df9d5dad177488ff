// The programs of Sandstone's own that the command starts.
#pragma once

#include <sandstone/result.h>

#include <string>

namespace sandstone {

// Beside the running program (a build tree), in its installation's libexec, or in `libexec`, where it was to
// be installed (a program that embeds Sandstone). Never by PATH or the working directory, which others may
// choose.
Result<std::string> find_program(const std::string& name, const std::string& libexec, std::string where);

}  // namespace sandstone
