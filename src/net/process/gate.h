// Gate: the second wall. The network stack's connect(2) and sendto(2) are ours: the executable defines these
// two symbols and so the dynamic linker gives them to libslirp. Whatever a frame made the stack believe, the
// address that it hands to the kernel is checked here.
//
// The gate is also how TCP reaches our DNS server: a connection to its virtual address becomes a socket pair.
#pragma once

#include <sandstone/result.h>

#include <functional>

#include "base/fd.h"
#include "net/guard.h"

namespace sandstone::net {

// Until this is called nothing may be reached. `accept_dns` gets the server's end of a TCP connection to the
// DNS address.
void open_gate(Guard& guard, std::function<void(Fd)> accept_dns);

// Fails unless the dynamic linker gives the gate's functions to shared libraries.
Result<void> check_gate();

// connect(2) past the gate, for the resolver's own sockets.
int connect_past_gate(int fd, const sockaddr* address, unsigned size);

}  // namespace sandstone::net
