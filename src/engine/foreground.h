// A run in the foreground, as the command line does it: the caller's streams, terminal and signals are the workload's.
#pragma once

#include <sandstone/event.h>
#include <sandstone/outcome.h>
#include <sandstone/run_spec.h>

namespace sandstone::engine {

// Runs `spec` to its end on this thread. Never fails otherwise than by an Outcome with cause `failed`.
Outcome run_in_foreground(const RunSpec& spec, const EventSink& sink);

}  // namespace sandstone::engine
