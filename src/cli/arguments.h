// The command line, read as docker's is: options first, and everything from the first other word on is the
// command's.
#pragma once

#include <sandstone/result.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spec/config_draft.h"

namespace sandstone::cli {

struct Argument {
  const Flag* flag;
  std::string_view value;   // of a switch: "true" or "false"
  std::string_view second;  // of flags that take two values

  [[nodiscard]] std::string name() const;  // as it was written: "-v", "--volume"
  bool by_letter = false;
};

struct Arguments {
  std::vector<Argument> given;   // in the order they stand
  std::span<char* const> words;  // the first word that is no option, and all after it
};

// Accepts --name VALUE, --name=VALUE, -n VALUE, -nVALUE, -n=VALUE and switches in one word (-it). `--` ends
// the options. What is returned points into `words`.
Result<Arguments> parse_arguments(std::span<const Flag* const> flags, std::span<char* const> words);

}  // namespace sandstone::cli
