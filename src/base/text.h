// Text that came from somewhere hostile, made fit to print.
#pragma once

#include <string>
#include <string_view>

namespace sandstone {

// Printable ASCII and well-formed UTF-8 above U+009F stay; every other byte becomes \xNN, a backslash \\.
// Stops a path or an argument from driving the reader's terminal by escape sequences, or from faking a log line.
std::string escape_for_terminal(std::string_view text);

}  // namespace sandstone
