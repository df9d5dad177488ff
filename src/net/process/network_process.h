// NetworkProcess: policy, stack, DNS and the connection to the supervisor, in one loop.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "net/denials.h"
#include "net/dns_server.h"
#include "net/guard.h"
#include "net/policy.h"
#include "net/process/ares_resolver.h"
#include "net/process/dns_tcp.h"
#include "net/process/host_routes.h"
#include "net/process/poll_set.h"
#include "net/process/stack.h"
#include "net/wire.h"

namespace sandstone::net {

class NetworkProcess {
 public:
  // Opens and binds all there is to open and bind. `control` is the supervisor's socket.
  static Result<std::unique_ptr<NetworkProcess>> open(const PolicyMessage& message, int control);

  // Until the supervisor hangs up.
  void run();

 private:
  NetworkProcess(Policy policy, HostRoutes routes, std::unique_ptr<AresResolver> resolver, int control);

  bool serve_control();  // false: the supervisor is gone
  void serve(PollSet& set, bool poll_failed);

  int control_;
  Policy policy_;
  HostRoutes routes_;
  std::unique_ptr<AresResolver> resolver_;
  Denials denials_;
  Guard guard_;
  DnsServer dns_;
  DnsTcp dns_tcp_;
  Stack stack_;
};

// One packet of the control socket, and the descriptor that came with it. Nothing: the other end is closed.
struct Packet {
  std::string text;
  Fd descriptor;
};
std::optional<Packet> receive(int control);
void send(int control, const std::string& text);

}  // namespace sandstone::net
