// Rule: one `--allow NAME|CIDR[:PORT]`.
//
//   example.org            that name, any port          10.1.2.0/24:5432     those addresses, one port
//   *.example.org:443      its subdomains, one port     [2001:db8::1]:80-90  one address, a range of ports
//   public:443             every public address         localhost:8000       the host's own 127.0.0.1 and ::1
#pragma once

#include <sandstone/result.h>

#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"
#include "net/link.h"

namespace sandstone::net {

struct Rule {
  enum class Kind : uint8_t { public_addresses, name, subdomains, prefix };
  Kind kind = Kind::name;
  std::string name;  // name, subdomains: lower case, without a dot at the end
  Prefix prefix;     // prefix
  PortRange ports{0, 65535};

  [[nodiscard]] bool any_port() const { return ports.first == 0; }
  [[nodiscard]] bool has_port(uint16_t port) const { return port >= ports.first && port <= ports.last; }
  [[nodiscard]] bool matches_name(std::string_view lower_case_name) const;
  // A range that is not public is opened only by a rule that lies inside it: 0.0.0.0/0 is not a way to say
  // "and the host's private network too".
  [[nodiscard]] bool opens(const Address& address) const;
};

// "localhost" gives two rules, everything else one. Errors name --allow.
Result<std::vector<Rule>> parse_rule(std::string_view text);

// "Example.ORG." -> "example.org", or nothing if it is not a host name.
std::optional<std::string> normal_name(std::string_view text);

}  // namespace sandstone::net
