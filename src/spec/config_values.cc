#include "spec/config_values.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

#include "base/fd.h"
#include "base/units.h"

namespace sandstone {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

template <typename T>
bool read_integer(std::string_view text, T& value) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && stop == text.data() + text.size() && !text.empty();
}

// setrlimit(2), in the names of prlimit(1).
constexpr std::string_view kUlimits[] = {"as",      "core",     "cpu",        "data",   "fsize", "locks",
                                         "memlock", "msgqueue", "nice",       "nofile", "nproc", "rss",
                                         "rtprio",  "rttime",   "sigpending", "stack"};

bool read_limit(std::string_view text, uint64_t& value) {
  if (text == "unlimited" || text == "-1") {
    value = std::numeric_limits<uint64_t>::max();
    return true;
  }
  return read_integer(text, value);
}

}  // namespace

Result<std::string> absolute_path(std::string_view path, std::string_view directory) {
  if (path.empty()) return Error{{}, "the path is empty", {}};
  if (path[0] == '/') return std::string(path);
  std::string start(directory);
  if (start.empty()) {
    char here[PATH_MAX];
    if (::getcwd(here, sizeof here) == nullptr)
      return system_error({}, "cannot tell the working directory", errno);
    start = here;
  }
  while (path.starts_with("./")) path.remove_prefix(2);
  if (path.empty() || path == ".") return start;
  return start + (start.ends_with('/') ? "" : "/") + std::string(path);
}

Result<Mount> parse_volume(std::string_view text, std::string_view directory) {
  const auto parts = split(text, ':');
  if (parts.size() < 2 || parts.size() > 3 || parts[0].empty() || parts[1].empty())
    return Error{
        {}, fmt::format("'{}' is not SRC:DST[:ro|rw]", text), "for a path with a colon: --bind SRC DST"};
  Mount mount;
  if (parts.size() == 3) {
    if (parts[2] != "ro" && parts[2] != "rw")
      return Error{{}, fmt::format("'{}' is not a mode for a volume", parts[2]), "ro or rw"};
    mount.access = parts[2] == "ro" ? Access::read_only : Access::read_write;
  }
  // Where docker would make a volume of that name, a folder that happens to be here must not be shared
  // instead.
  if (parts[0][0] != '/' && parts[0][0] != '.')
    return Error{{},
                 fmt::format("'{}' is a name, and there are no named volumes", parts[0]),
                 fmt::format("./{} for a folder", parts[0])};
  auto source = absolute_path(parts[0], directory);
  if (!source) return source.error();
  mount.source = std::move(*source);
  mount.destination = parts[1];
  return mount;
}

Result<Mount> parse_tmpfs(std::string_view text) {
  const size_t colon = text.find(':');
  Mount mount;
  mount.kind = Mount::Kind::tmpfs;
  mount.destination = text.substr(0, colon);
  if (colon == std::string_view::npos) return mount;
  std::string_view size = text.substr(colon + 1);
  if (size.starts_with("size=")) size.remove_prefix(5);
  const auto bytes = parse_size(size);
  if (!bytes || *bytes == 0)
    return Error{{}, fmt::format("'{}' is not a size", size), "DST:64m or DST:size=64m"};
  mount.size_bytes = *bytes;
  return mount;
}

Result<Ulimit> parse_ulimit(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos)
    return Error{{}, fmt::format("'{}' is not NAME=SOFT[:HARD]", text), "nofile=1024:4096"};
  const std::string_view name = text.substr(0, equals);
  if (std::find(std::begin(kUlimits), std::end(kUlimits), name) == std::end(kUlimits))
    return Error{{},
                 fmt::format("'{}' is not the name of a limit", name),
                 fmt::format("one of {}", fmt::join(kUlimits, ", "))};
  Ulimit ulimit{std::string(name), 0, 0};
  const auto parts = split(text.substr(equals + 1), ':');
  if (parts.size() > 2 || !read_limit(parts[0], ulimit.soft) || !read_limit(parts.back(), ulimit.hard))
    return Error{
        {}, fmt::format("'{}' is not SOFT[:HARD]", text.substr(equals + 1)), "numbers, or unlimited"};
  if (ulimit.soft > ulimit.hard)
    return Error{
        {}, fmt::format("{}: the soft limit is above the hard one", name), "SOFT:HARD, the smaller first"};
  return ulimit;
}

std::string format_ulimit(const Ulimit& ulimit) {
  const auto number = [](uint64_t value) {
    return value == std::numeric_limits<uint64_t>::max() ? std::string("unlimited")
                                                         : fmt::format("{}", value);
  };
  return fmt::format("{}={}:{}", ulimit.name, number(ulimit.soft), number(ulimit.hard));
}

Result<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  if (!read_integer(text, port) || port == 0)
    return Error{{}, fmt::format("'{}' is not a port", text), "1 to 65535"};
  return port;
}

Result<PortForward> parse_forward(std::string_view text) {
  PortForward forward;
  std::string_view rest = text;
  if (const size_t slash = rest.find('/'); slash != std::string_view::npos) {
    const std::string_view protocol = rest.substr(slash + 1);
    if (protocol != "tcp" && protocol != "udp")
      return Error{{}, fmt::format("'{}' is not a protocol that can be forwarded", protocol), "tcp or udp"};
    forward.udp = protocol == "udp";
    rest = rest.substr(0, slash);
  }
  auto parts = split(rest, ':');
  if (parts.size() < 2 || parts.size() > 3)
    return Error{
        {}, fmt::format("'{}' is not [ADDR:]HOST:SANDBOX[/udp]", text), "8080:80, ADDR an IPv4 address"};
  if (parts.size() == 3) {
    forward.host_address = parts[0];
    parts.erase(parts.begin());
    in_addr address{};
    if (::inet_pton(AF_INET, forward.host_address.c_str(), &address) != 1)
      return Error{{}, fmt::format("'{}' is not an IPv4 address", forward.host_address), "127.0.0.1:8080:80"};
  }
  auto host = parse_port(parts[0]);
  if (!host) return host.error();
  auto sandbox = parse_port(parts[1]);
  if (!sandbox) return sandbox.error();
  forward.host_port = *host;
  forward.sandbox_port = *sandbox;
  return forward;
}

std::string format_forward(const PortForward& forward) {
  return fmt::format("{}:{}:{}/{}", forward.host_address, forward.host_port, forward.sandbox_port,
                     forward.udp ? "udp" : "tcp");
}

Result<uint64_t> parse_bytes(std::string_view text) {
  const auto bytes = parse_size(text);
  if (!bytes)
    return Error{{}, fmt::format("'{}' is not a size", text), "a number of bytes, or 64k, 256m, 1.5g"};
  return *bytes;
}

Result<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [stop, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::general);
  if (text.empty() || error != std::errc() || stop != text.data() + text.size() || !std::isfinite(value))
    return Error{{}, fmt::format("'{}' is not a number", text), {}};
  return value;
}

Result<uint32_t> parse_count(std::string_view text) {
  uint32_t value = 0;
  if (!read_integer(text, value)) return Error{{}, fmt::format("'{}' is not a whole number", text), {}};
  return value;
}

}  // namespace sandstone
