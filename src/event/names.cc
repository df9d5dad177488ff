#include <sandstone/event.h>
#include <sandstone/outcome.h>

namespace sandstone {

const char* to_string(Event::Kind kind) {
  constexpr const char* kNames[] = {"started", "denial", "limit", "output_closed", "exited", "note"};
  return kNames[static_cast<size_t>(kind)];
}

const char* to_string(Cause cause) {
  constexpr const char* kNames[] = {"exited", "signaled", "timeout",        "memory",    "pids",
                                    "output", "killed",   "not_executable", "not_found", "failed"};
  return kNames[static_cast<size_t>(cause)];
}

}  // namespace sandstone
