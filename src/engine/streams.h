// The workload's standard streams: what it gets, and what stays on our side of each.
#pragma once

#include <sandstone/result.h>
#include <sandstone/sandbox.h>

#include <optional>
#include <vector>

#include "engine/engine.h"
#include "engine/relay.h"

namespace sandstone::engine {

struct Connected {
  Ports ports;
  std::optional<Relay> input;
  std::vector<Relay> outputs;
  Fd stdin_end;  // Stream::pipe: the caller's ends
  Fd stdout_end;
  Fd stderr_end;
};

// With `counted`, all output goes through a relay, which counts it, even what the caller takes from a pipe.
Result<Connected> connect_streams(const Streams& streams, bool counted);

}  // namespace sandstone::engine
