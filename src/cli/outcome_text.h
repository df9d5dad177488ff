// An Outcome and its Events in words: one line for a person, JSON for a program.
#pragma once

#include <sandstone/event.h>
#include <sandstone/outcome.h>
#include <sandstone/run_spec.h>

#include <optional>
#include <string>

namespace sandstone::cli {

// What to tell on stderr, escaped: nothing when the command ended by itself.
std::optional<std::string> outcome_line(const RunSpec& spec, const Outcome& outcome);

// The document of --json, with a line end. What is not UTF-8 in it is replaced by U+FFFD.
std::string outcome_json(const RunSpec& spec, const Outcome& outcome);

// A line of --events, with its line end.
std::string event_json(const Event& event);
std::string dropped_events_json(std::chrono::nanoseconds since_start, uint64_t count);

}  // namespace sandstone::cli
