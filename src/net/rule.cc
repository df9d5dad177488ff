#include "net/rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "net/addresses.h"

namespace sandstone::net {
namespace {

constexpr char kForms[] =
    "NAME, *.NAME, ADDRESS, ADDRESS/BITS, [IPV6/BITS], localhost or public, each with :PORT or not";

Error bad(std::string_view text, std::string_view what, std::string remedy = kForms) {
  return Error{"--allow", fmt::format("'{}': {}", text, what), std::move(remedy)};
}

std::optional<unsigned> number(std::string_view text, unsigned most) {
  unsigned value = 0;
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > most) return std::nullopt;
  return value;
}

std::optional<PortRange> parse_ports(std::string_view text) {
  const size_t dash = text.find('-');
  const auto first = number(text.substr(0, dash), 65535);
  const auto last = dash == std::string_view::npos ? first : number(text.substr(dash + 1), 65535);
  if (!first || !last || *first == 0 || *last < *first) return std::nullopt;
  return PortRange{static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)};
}

struct Parts {
  std::string_view host;
  std::string_view bits;  // after '/'
  std::string_view port;  // after the ':' that ends the address
  bool has_bits = false;
  bool has_port = false;
};

std::optional<Parts> split(std::string_view text) {
  Parts parts;
  std::string_view rest = text;
  if (!rest.empty() && rest[0] == '[') {  // [v6]:port, [v6/bits]:port, [v6]/bits:port
    const size_t close = rest.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    parts.host = rest.substr(1, close - 1);
    rest = rest.substr(close + 1);
    if (const size_t slash = parts.host.find('/'); slash != std::string_view::npos) {
      parts.bits = parts.host.substr(slash + 1);
      parts.host = parts.host.substr(0, slash);
      parts.has_bits = true;
    }
  } else if (std::count(rest.begin(), rest.end(), ':') > 1) {  // an IPv6 address as it is: no port can follow
    const size_t slash = rest.find('/');
    parts.host = rest.substr(0, slash);
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
    if (rest.find(':') != std::string_view::npos) return std::nullopt;
  } else {
    const size_t end = rest.find_first_of(":/");
    parts.host = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
  }
  if (!rest.empty() && rest[0] == '/') {
    if (parts.has_bits) return std::nullopt;
    const size_t colon = rest.find(':');
    parts.bits = rest.substr(1, colon == std::string_view::npos ? colon : colon - 1);
    parts.has_bits = true;
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon);
  }
  if (!rest.empty()) {
    if (rest[0] != ':') return std::nullopt;
    parts.port = rest.substr(1);
    parts.has_port = true;
  }
  return parts;
}

// The address with every bit behind `length` cleared.
Address first_of(Address address, unsigned length) {
  for (unsigned bit = length; bit < address.bits(); ++bit)
    address.bytes[bit / 8] = static_cast<uint8_t>(address.bytes[bit / 8] & ~(0x80U >> bit % 8));
  return address;
}

Result<Rule> prefix_rule(std::string_view text, const Parts& parts, const Address& address) {
  Rule rule;
  rule.kind = Rule::Kind::prefix;
  rule.prefix = {address, address.bits()};
  if (parts.has_bits) {
    const auto bits = number(parts.bits, address.bits());
    if (!bits)
      return bad(text, fmt::format("'/{}' is not a number of bits from 0 to {}", parts.bits, address.bits()));
    rule.prefix.length = *bits;
  }
  const Address first = first_of(address, rule.prefix.length);
  if (!(first == address))
    return bad(text, "has bits behind the prefix",
               fmt::format("write {}/{}", first.text(), rule.prefix.length));
  static const Prefix kMapped{*Address::parse("::ffff:0:0"), 96};
  if (rule.prefix.inside(kMapped))
    return bad(text, "is an IPv4 address in IPv6's clothes",
               fmt::format("write {}", Address::from4(address.bytes.data() + 12).text()));
  static const Prefix kOwn4{Address::from4(kNetwork4), kPrefix4};
  static const Prefix kOwn6{Address::from6(kNetwork6), kPrefix6};
  if (rule.prefix.inside(kOwn4) || rule.prefix.inside(kOwn6))
    return bad(text, "is the sandbox's own network",
               "to reach a server on this machine, allow 127.0.0.1:PORT");
  const SpecialRange* range = special_range(address);
  if (range != nullptr && !range->may_open && rule.prefix.inside(range->prefix))
    return std::string_view(range->kind) == "loopback"
               ? bad(text, "of this machine's loopback only 127.0.0.1 and ::1 can be reached",
                     "allow 127.0.0.1:PORT")
               : bad(text, fmt::format("{} addresses cannot be reached", range->kind), {});
  return rule;
}

}  // namespace

std::optional<std::string> normal_name(std::string_view text) {
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  if (text.empty() || text.size() > 253) return std::nullopt;
  std::string out;
  size_t label = 0;
  bool last_is_number = true;
  for (const char c : text) {
    if (c == '.') {
      if (label == 0 || out.back() == '-') return std::nullopt;
      label = 0;
      last_is_number = true;
      out += c;
      continue;
    }
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool digit = lower >= '0' && lower <= '9';
    if (!digit && !(lower >= 'a' && lower <= 'z') && lower != '-' && lower != '_') return std::nullopt;
    if ((label == 0 && lower == '-') || label == 63) return std::nullopt;
    ++label;
    last_is_number = last_is_number && digit;
    out += lower;
  }
  // 127.1 and 2130706433 are read as addresses by inet_aton(3) and so by many programs: they are no names.
  if (label == 0 || out.back() == '-' || last_is_number) return std::nullopt;
  return out;
}

bool Rule::matches_name(std::string_view lower) const {
  if (kind == Kind::public_addresses) return true;
  if (kind == Kind::name) return lower == name;
  return kind == Kind::subdomains && lower.size() > name.size() + 1 && lower.ends_with(name) &&
         lower[lower.size() - name.size() - 1] == '.';
}

bool Rule::opens(const Address& address) const {
  const SpecialRange* range = special_range(address);
  if (kind == Kind::public_addresses) return range == nullptr;
  if (kind != Kind::prefix || !prefix.contains(address)) return false;
  return range == nullptr || (range->may_open && prefix.inside(range->prefix));
}

Result<std::vector<Rule>> parse_rule(std::string_view text) {
  if (text.find("://") != std::string_view::npos)
    return bad(text, "is a URL", "write the host's name alone, or NAME:PORT");
  const auto parts = split(text);
  if (!parts || parts->host.empty()) return bad(text, "is not a rule");
  PortRange ports{0, 65535};
  if (parts->has_port) {
    const auto range = parse_ports(parts->port);
    if (!range) return bad(text, fmt::format("'{}' is not a port", parts->port), "1 to 65535, or FIRST-LAST");
    ports = *range;
  }
  if (const auto address = Address::parse(parts->host)) {
    auto rule = prefix_rule(text, *parts, *address);
    if (!rule) return rule.error();
    rule->ports = ports;
    return std::vector<Rule>{*std::move(rule)};
  }
  if (parts->has_bits || text[0] == '[')
    return bad(text, fmt::format("'{}' is not an IP address", parts->host));
  Rule rule;
  rule.ports = ports;
  std::string_view host = parts->host;
  if (host == "public") {
    rule.kind = Rule::Kind::public_addresses;
    return std::vector<Rule>{rule};
  }
  if (host == "*")
    return bad(text, "a name is missing after '*'", "*.example.org, or public for every public address");
  if (host.starts_with("*.")) {
    rule.kind = Rule::Kind::subdomains;
    host.remove_prefix(2);
  }
  const auto name = normal_name(host);
  if (!name)
    return bad(text, fmt::format("'{}' is not a host name", host),
               "letters, digits and hyphens; IDNA names as xn--");
  rule.name = *name;
  if (*name != "localhost") return std::vector<Rule>{rule};
  std::vector<Rule> both;
  for (const char* loopback : {"127.0.0.1", "::1"}) {
    rule.kind = Rule::Kind::prefix;
    rule.prefix.address = *Address::parse(loopback);
    rule.prefix.length = rule.prefix.address.bits();
    both.push_back(rule);
  }
  return both;
}

}  // namespace sandstone::net
