// AresResolver: the host's /etc/hosts, then the nameservers of the host's /etc/resolv.conf, by c-ares.
#pragma once

#include <sandstone/result.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/process/poll_set.h"
#include "net/resolver.h"

struct ares_channeldata;

namespace sandstone::net {

// Addresses by name, from the text of a hosts file.
std::multimap<std::string, Address> parse_hosts(const std::string& text);

class AresResolver : public Resolver {
 public:
  // Reads its two files now: the process loses them when it jails itself.
  static Result<std::unique_ptr<AresResolver>> open();
  ~AresResolver() override;

  void lookup(const std::string& name, uint16_t type, Answer answer) override;

  void prepare(PollSet& set);
  void turn(const PollSet& set);

 private:
  AresResolver() = default;

  struct Lookup;
  static void finished(void* opaque, int status, int timeouts, unsigned char* reply, int size);

  // Bounds the queries that a workload can have us send at one time.
  static constexpr size_t kMaxLookups = 128;

  ares_channeldata* channel_ = nullptr;
  std::multimap<std::string, Address> hosts_;
  std::vector<std::pair<int, int>> sockets_;  // descriptor and index in the PollSet
  size_t lookups_ = 0;
};

}  // namespace sandstone::net
