// Denials: answers seccomp's notifications with the refusal that the policy holds for each, and records it. There is no
// path through here that allows a call.
#pragma once

#include "base/fd.h"
#include "engine/recorder.h"

namespace sandstone::jail {

class Denials {
 public:
  explicit Denials(Fd listener) : listener_(std::move(listener)) {}

  [[nodiscard]] int fd() const { return listener_.get(); }
  // Answers one notification. Closes the listener once nobody is left under its filter.
  void on_ready(short revents, engine::Recorder& recorder);

 private:
  Fd listener_;
};

}  // namespace sandstone::jail
