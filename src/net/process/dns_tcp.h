// DnsTcp: our DNS server's TCP side (RFC 7766), over the socket pairs that the gate makes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "net/dns_server.h"
#include "net/process/poll_set.h"

namespace sandstone::net {

class DnsTcp {
 public:
  explicit DnsTcp(DnsServer& server) : server_(server) {}

  void accept(Fd connection);
  void prepare(PollSet& set);
  void turn(const PollSet& set);

 private:
  struct Connection {
    Fd fd;
    std::vector<uint8_t> in;
    std::vector<uint8_t> out;
    unsigned waiting = 0;  // queries without a reply yet
    bool ended = false;    // the workload sends no more
    int index = -1;
    Clock::time_point last_use;
  };

  static constexpr size_t kMaxConnections = 32;
  static constexpr unsigned kMaxWaiting = 16;
  static constexpr std::chrono::seconds kIdle{30};

  bool read(Connection& connection);
  void take_queries(uint64_t id, Connection& connection);
  void reply(uint64_t id, const std::vector<uint8_t>& message);
  static bool write(Connection& connection);

  DnsServer& server_;
  uint64_t next_id_ = 0;
  std::map<uint64_t, Connection>
      connections_;  // a reply that comes late finds its connection by number, or none
};

}  // namespace sandstone::net
