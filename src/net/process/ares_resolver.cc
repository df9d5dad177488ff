#include "net/process/ares_resolver.h"

#include <ares.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "base/fd.h"
#include "net/process/gate.h"
#include "net/rule.h"

namespace sandstone::net {

std::multimap<std::string, Address> parse_hosts(const std::string& text) {
  std::multimap<std::string, Address> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    line.resize(std::min(line.find('#'), line.size()));
    std::istringstream words(line);
    std::string word;
    words >> word;
    const auto address = Address::parse(word);
    if (!address) continue;
    while (words >> word)
      if (const auto name = normal_name(word)) out.emplace(*name, *address);
  }
  return out;
}

namespace {

// The resolver's own sockets go past the gate: its servers are the host's, whatever the workload may reach.
// They are made only for names that the policy allows.
const ares_socket_functions kSockets = {
    [](int family, int type, int protocol, void*) -> ares_socket_t {
      return ::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    },
    [](ares_socket_t fd, void*) { return ::close(fd); },
    [](ares_socket_t fd, const sockaddr* address, ares_socklen_t size, void*) {
      return connect_past_gate(fd, address, size);
    },
    [](ares_socket_t fd, void* data, size_t size, int flags, sockaddr* from, ares_socklen_t* from_size,
       void*) { return static_cast<ares_ssize_t>(::recvfrom(fd, data, size, flags, from, from_size)); },
    [](ares_socket_t fd, const iovec* parts, int count, void*) {
      return static_cast<ares_ssize_t>(::writev(fd, parts, count));
    },
};

constexpr int kMaxAddresses = 64;
constexpr std::chrono::seconds kHostsTtl{60};

template <typename Record, typename Read, typename Make>
void collect(std::vector<ResolvedAddress>& out, const unsigned char* reply, int size, Read read, Make make) {
  Record records[kMaxAddresses];
  int count = kMaxAddresses;
  if (read(reply, size, nullptr, records, &count) != ARES_SUCCESS) return;
  for (int i = 0; i < count; ++i)
    out.push_back({make(records[i]), std::chrono::seconds(std::max(records[i].ttl, 0))});
}

}  // namespace

struct AresResolver::Lookup {
  AresResolver* resolver;
  uint16_t type;
  Answer answer;
};

Result<std::unique_ptr<AresResolver>> AresResolver::open() {
  std::unique_ptr<AresResolver> resolver(new AresResolver);
  if (auto hosts = read_file("/etc/hosts", 16 << 20)) resolver->hosts_ = parse_hosts(*hosts);
  if (const int status = ::ares_library_init(ARES_LIB_INIT_ALL); status != ARES_SUCCESS)
    return Error{"network", fmt::format("c-ares: {}", ::ares_strerror(status)), {}};
  ares_options options{};
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
  options.timeout = 2000;
  options.tries = 3;
  const int status = ::ares_init_options(&resolver->channel_, &options,
                                         ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
  if (status != ARES_SUCCESS)
    return Error{"/etc/resolv.conf", fmt::format("c-ares: {}", ::ares_strerror(status)),
                 "look at its nameserver lines"};
  ::ares_set_socket_functions(resolver->channel_, &kSockets, nullptr);
  return resolver;
}

AresResolver::~AresResolver() {
  if (channel_ != nullptr) ::ares_destroy(channel_);
  ::ares_library_cleanup();
}

void AresResolver::lookup(const std::string& name, uint16_t type, Answer answer) {
  if (hosts_.contains(name)) {
    std::vector<ResolvedAddress> found;
    const auto [first, last] = hosts_.equal_range(name);
    for (auto entry = first; entry != last; ++entry)
      if (entry->second.v6 == (type == kDnsTypeAaaa)) found.push_back({entry->second, kHostsTtl});
    return answer(DnsStatus::ok, found);
  }
  if (lookups_ >= kMaxLookups) return answer(DnsStatus::server_failure, {});
  ++lookups_;
  constexpr int kInternet = 1;
  ::ares_query(channel_, name.c_str(), kInternet, type, &AresResolver::finished,
               new Lookup{this, type, std::move(answer)});
}

void AresResolver::finished(void* opaque, int status, int, unsigned char* reply, int size) {
  const std::unique_ptr<Lookup> lookup(static_cast<Lookup*>(opaque));
  --lookup->resolver->lookups_;
  if (status == ARES_EDESTRUCTION) return;
  std::vector<ResolvedAddress> found;
  if (status == ARES_SUCCESS && lookup->type == kDnsTypeA) {
    collect<ares_addrttl>(found, reply, size, ::ares_parse_a_reply, [](const ares_addrttl& record) {
      return Address::from4(reinterpret_cast<const uint8_t*>(&record.ipaddr));
    });
  } else if (status == ARES_SUCCESS) {
    collect<ares_addr6ttl>(found, reply, size, ::ares_parse_aaaa_reply, [](const ares_addr6ttl& record) {
      return Address::from6(reinterpret_cast<const uint8_t*>(&record.ip6addr));
    });
  }
  lookup->answer(status == ARES_SUCCESS || status == ARES_ENODATA ? DnsStatus::ok
                 : status == ARES_ENOTFOUND                       ? DnsStatus::no_such_name
                                                                  : DnsStatus::server_failure,
                 found);
}

void AresResolver::prepare(PollSet& set) {
  sockets_.clear();
  ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
  const auto wanted = static_cast<unsigned>(::ares_getsock(channel_, sockets, ARES_GETSOCK_MAXNUM));
  for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
    short events = 0;
    if (ARES_GETSOCK_READABLE(wanted, i)) events |= POLLIN;
    if (ARES_GETSOCK_WRITABLE(wanted, i)) events |= POLLOUT;
    if (events == 0) continue;
    sockets_.emplace_back(sockets[i], set.add(sockets[i], events));
  }
  timeval wait{};
  if (::ares_timeout(channel_, nullptr, &wait) != nullptr)
    set.wake_after(wait.tv_sec * 1000 + wait.tv_usec / 1000 + 1);
}

void AresResolver::turn(const PollSet& set) {
  for (const auto& [fd, index] : sockets_) {
    const short ready = set.ready(index);
    if (ready == 0) continue;
    const bool readable = (ready & (POLLIN | POLLERR | POLLHUP)) != 0;
    ::ares_process_fd(channel_, readable ? fd : ARES_SOCKET_BAD,
                      (ready & POLLOUT) != 0 ? fd : ARES_SOCKET_BAD);
  }
  ::ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // timeouts
}

}  // namespace sandstone::net
