// How Stats read.
#pragma once

#include <string>

#include "observe/sampler.h"

namespace sandstone::observe {

// An object on one line, without an end of line. With a Sample, it has what was gained as "since_last".
[[nodiscard]] std::string stats_json(const Stats& stats);
[[nodiscard]] std::string stats_json(const Sample& sample);

// A short table for people, of whole lines.
[[nodiscard]] std::string stats_table(const Stats& stats);

}  // namespace sandstone::observe
