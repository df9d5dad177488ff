// The workload's end of the user network: its loopback and its interface eth0. Everything here runs in the
// jail's child, between clone and exec, inside a user and a network namespace of its own: raw netlink, no
// malloc, no locks, no stdio. Functions return 0 or a negative errno.
#pragma once

#include <cstddef>
#include <cstdint>

#include "net/netlink.h"

namespace sandstone::net {

// Ports of the host's loopback that the policy opens by number. Inside, 127.0.0.1 with one of them leads to
// the host's 127.0.0.1; all other ports of 127.0.0.1 stay the sandbox's own.
struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;
};

// What make_link needs to know, filled before the fork (net::link_plan): plain data, nothing on the heap.
struct LinkPlan {
  static constexpr size_t kMaxLoopbackRanges = 16;
  PortRange loopback[kMaxLoopbackRanges];
  size_t loopback_ranges = 0;
};

struct LinkResult {
  int frames =
      -1;  // one Ethernet frame per read(2) and write(2); non-blocking, close-on-exec; the caller's to close
  const char* step = nullptr;  // on failure: the step that failed, a static text
};

// Sets the namespace's `lo` up. Enough for Network::none.
int bring_up_loopback();

// Makes and configures `eth0` (10.0.2.15/24 and fd00::15/64, default routes, the loopback too). Call it
// before pivot_root and before capabilities are dropped. The frames descriptor goes to UserNetwork::attach in
// the supervisor.
int make_link(const LinkPlan& plan, LinkResult* result);

// The second half of that, of any kernel's: addresses and routes for the interface with that index, and the plan's ports.
int configure_link(Netlink& netlink, int index, const LinkPlan& plan, LinkResult* result);

}  // namespace sandstone::net
