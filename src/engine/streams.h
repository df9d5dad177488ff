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
  Fd stdin_end;   // Stream::pipe: the caller's ends
  Fd stdout_end;
  Fd stderr_end;
};

Result<Connected> connect_streams(const Streams& streams);

}  // namespace sandstone::engine
