// Stack: libslirp, with everything off that a sandbox has no use for, and the guard on both sides of it.
#pragma once

#include <sandstone/result.h>
#include <sandstone/run_spec.h>

#include <memory>
#include <span>
#include <vector>

#include "base/fd.h"
#include "net/dns_server.h"
#include "net/guard.h"
#include "net/process/poll_set.h"

struct Slirp;

namespace sandstone::net {

class Stack {
 public:
  Stack(Guard& guard, DnsServer& dns);
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  // Binds the host's port. The Error's place is -p.
  Result<void> forward(const PortForward& forward);

  void attach(Fd frames);

  void prepare(PollSet& set);
  void turn(PollSet& set, bool poll_failed);

  // At the end: what the workload sent in its last moment still leaves, or is told of.
  void drain();

  // One frame from the workload.
  void input(std::span<const uint8_t> frame);
  // One frame to the workload, unchecked: our own.
  void output(std::span<const uint8_t> frame);

 private:
  bool read_frames();  // false: there are no more
  void answer_dns(const Frame& frame);

  Guard& guard_;
  DnsServer& dns_;
  Slirp* slirp_;
  Fd frames_;
  int frames_index_ = -1;
  std::vector<uint8_t> buffer_;

  friend struct StackCallbacks;
};

}  // namespace sandstone::net
