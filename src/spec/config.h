// Config files: one JSON object whose keys are the flags' names (with _ for -), and zbox's.
#pragma once

#include <sandstone/run_spec.h>

#include <string>
#include <string_view>

#include "spec/config_draft.h"

namespace sandstone {

// Reads `text`, the content of the file called `file`, into the draft's layer `file`. Relative host paths in
// it start at `directory`. An Error's place is "FILE: /json/pointer".
Result<void> apply_config(std::string_view text, const std::string& file, const std::string& directory,
                          Draft& draft);

// The spec as a config file, complete: read again, it gives the same spec. Refuses a spec that holds bytes
// which are not UTF-8, because JSON cannot say them.
Result<std::string> print_config(const RunSpec& spec);

}  // namespace sandstone
