// The values that flags and config keys share, read from text. An Error's place is left empty: the caller
// knows whether the text came from a flag or from a place in a file.
#pragma once

#include <sandstone/run_spec.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace sandstone {

// A host path as the caller means it: `path` itself if absolute, else below `directory`.
Result<std::string> absolute_path(std::string_view path, std::string_view directory);

// "SRC:DST[:ro|rw]", docker's form. A bare name as SRC would be a named volume there, and is refused here.
Result<Mount> parse_volume(std::string_view text, std::string_view directory);

// "DST", "DST:64m" or "DST:size=64m".
Result<Mount> parse_tmpfs(std::string_view text);

// "NAME=SOFT[:HARD]", each a number or "unlimited".
Result<Ulimit> parse_ulimit(std::string_view text);
std::string format_ulimit(const Ulimit& ulimit);

// "[ADDR:]HOST:SANDBOX[/tcp|/udp]".
Result<PortForward> parse_forward(std::string_view text);
std::string format_forward(const PortForward& forward);
Result<uint16_t> parse_port(std::string_view text);

Result<uint64_t> parse_bytes(std::string_view text);
Result<double> parse_number(std::string_view text);
Result<uint32_t> parse_count(std::string_view text);

}  // namespace sandstone
