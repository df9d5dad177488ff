// Words of system calls as C programs write them: `O_RDONLY|O_CLOEXEC`, `SIGKILL`, `AF_INET`.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "calls/kind.h"

namespace sandstone::observe {

struct Name {
  uint64_t value;
  std::string_view name;
};

// The name of `value`, or the number in hexadecimal.
std::string one_of(std::span<const Name> names, uint64_t value);
// The names of the bits, then the rest in hexadecimal; `none` if no bit is set. Names of several bits come
// first.
std::string set_of(std::span<const Name> names, uint64_t value, std::string_view none = "0");

std::string signal_name(uint64_t number);  // SIGINT, SIGRT_3, 77
std::string signal_set(uint64_t mask);     // [INT CHLD], ~[KILL STOP]
std::string error_name(int64_t error);     // ENOENT, of a positive number
std::string error_text(int64_t error);     // No such file or directory
std::string open_flags(uint64_t flags);    // O_RDWR|O_CREAT
std::string file_mode(uint64_t mode);      // S_IFREG|0644
std::string ioctl_name(uint64_t request);  // TIOCGWINSZ, _IOC(_IOC_READ, 0x12, 0x34, 8)
std::string futex_operation(uint64_t operation);
std::string address_family(uint64_t family);
std::string poll_events(uint64_t events);
std::string epoll_events(uint64_t events);

// For the kinds whose words have names that depend on nothing else; empty for every other kind.
std::string named_word(calls::Kind kind, uint64_t value);
std::string named_file_word(calls::Kind kind, uint64_t value);
std::string named_memory_word(calls::Kind kind, uint64_t value);
std::string named_process_word(calls::Kind kind, uint64_t value);
std::string named_socket_word(calls::Kind kind, uint64_t value);

}  // namespace sandstone::observe

// {O_RDONLY, "O_RDONLY"}
#define SANDSTONE_NAME(constant) {static_cast<uint64_t>(constant), #constant}
