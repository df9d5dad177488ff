// The caller's terminal while the workload has one of its own: raw, relayed both ways, its size passed on, and put back
// as it was afterwards.
#pragma once

#include <sandstone/result.h>
#include <termios.h>

#include <memory>

#include "base/fd.h"
#include "engine/supervisor.h"

namespace sandstone::engine {

class CallersTerminal final : public TerminalHost {
 public:
  // Refuses if descriptor 0 or 1 is not a terminal. Nothing is changed yet.
  static Result<std::unique_ptr<CallersTerminal>> open(bool interactive);
  ~CallersTerminal() override;

  void attach(Fd master) override;
  void resized() override;
  Relay* input() override { return input_.get(); }
  Relay* output() override { return output_.get(); }

 private:
  explicit CallersTerminal(bool interactive) : interactive_(interactive) {}

  bool interactive_;
  bool raw_ = false;
  termios before_{};
  Fd master_;
  std::unique_ptr<Relay> input_;
  std::unique_ptr<Relay> output_;
};

}  // namespace sandstone::engine
