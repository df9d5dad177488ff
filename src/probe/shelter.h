// The shelter: where the probe tries attacks for real, so that none reaches further than it must.
//
// For a root caller it is a mount, pid, UTS and IPC namespace of its own: a mount, a rename of the host or a
// kill(-1) on the tier `none` ends there. An ordinary caller can make none, and does not need it: on the tier
// `none` it can do no more than its own account may. For both it is a session of its own, so that attacks on
// the launcher's terminal meet the canary's.
#pragma once

#include <sandstone/result.h>
#include <sys/types.h>

#include <csignal>
#include <functional>
#include <string>

namespace sandstone::probe {

// While it lives, SIGINT and SIGTERM end the shelter instead of this process, so that the caller can clean
// up: make it before whatever must be cleaned up. One at a time.
class Interruption {
 public:
  Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
  ~Interruption();

  [[nodiscard]] int caught() const;  // the signal, or 0
  void end_also(pid_t process);      // from now on; at once, if there was a signal already
  void restore();                    // in a child: a signal ends it again

 private:
  struct sigaction interrupt_{};
  struct sigaction terminate_{};
};

struct Shelter {
  bool own_namespaces = false;
};

// Runs `body` in a process in the shelter and gives what it returned. The process and all that it started are
// gone when this returns, also if the caller is interrupted. Must be called from a single-threaded process.
Result<std::string> in_shelter(Interruption& interruption,
                               const std::function<Result<std::string>(const Shelter&)>& body);

}  // namespace sandstone::probe
