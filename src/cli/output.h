// What the command says to a person: whole lines, each in one write.
#pragma once

#include <sandstone/result.h>

#include <string_view>

namespace sandstone::cli {

inline constexpr int kFailed = 125;  // the exit status when Sandstone itself failed

// All of `text`, or the error; a reader that went away is an error, not a signal.
Result<void> write_all(int fd, std::string_view text);

// "sandstone: LINE" on stderr. `line` must be escaped already.
void say(std::string_view line);

// The same for an error; returns kFailed.
int fail(const Error& error);

// `text` on stdout; returns the exit status. A reader that went away ends the program, as it ends any filter.
int print(std::string_view text);

}  // namespace sandstone::cli
