// sandstone-net: the process that is a sandbox's network. The supervisor starts it with a control socket
// (SOCK_SEQPACKET) as descriptor 3; see net/wire.h. It is a process of its own because it holds the code that
// a hostile workload can feed: it keeps no privilege, no files and no memory that anybody would want.
//
// The end of the supervisor is the end of file on the control socket. (A parent-death signal would follow the
// one thread that started us, which an embedding program may end at any time.)
#include "net/process/harden.h"
#include "net/process/network_process.h"

namespace {

constexpr int kControl = 3;

int fail(const sandstone::Error& error) {
  sandstone::net::send(kControl, sandstone::net::encode(error));
  return 1;
}

}  // namespace

int main() {
  using namespace sandstone::net;
  if (auto isolated = isolate(kControl); !isolated) return fail(isolated.error());
  const auto first = receive(kControl);
  if (!first) return 1;
  auto policy = decode_policy(first->text);
  if (!policy) return fail(policy.error());
  auto process = NetworkProcess::open(*policy, kControl);
  if (!process) return fail(process.error());
  if (auto jailed = give_up_privileges(); !jailed) return fail(jailed.error());
  send(kControl, encode(Ready{}));
  (*process)->run();
  return 0;
}
