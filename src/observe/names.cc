#include "observe/names.h"

#include <fmt/format.h>

#include <csignal>
#include <cstring>

namespace sandstone::observe {

std::string one_of(std::span<const Name> names, uint64_t value) {
  for (const Name& name : names)
    if (name.value == value) return std::string(name.name);
  return fmt::format("{:#x}", value);
}

std::string set_of(std::span<const Name> names, uint64_t value, std::string_view none) {
  if (value == 0) return std::string(none);
  std::string out;
  for (const Name& name : names) {
    if (name.value == 0 || (value & name.value) != name.value) continue;
    if (!out.empty()) out += '|';
    out += name.name;
    value &= ~name.value;
  }
  if (value != 0) out += fmt::format("{}{:#x}", out.empty() ? "" : "|", value);
  return out;
}

std::string signal_name(uint64_t number) {
  // The kernel's real-time signals; the C library's SIGRTMIN is the third of them.
  if (number >= 32 && number <= 64) return number == 32 ? "SIGRTMIN" : fmt::format("SIGRT_{}", number - 32);
  const char* name = number < 32 ? ::sigabbrev_np(static_cast<int>(number)) : nullptr;
  return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("{}", static_cast<int32_t>(number));
}

std::string signal_set(uint64_t mask) {
  const bool inverted = __builtin_popcountll(mask) > 32;
  if (inverted) mask = ~mask;
  std::string out = inverted ? "~[" : "[";
  for (unsigned number = 1; number <= 64; ++number) {
    if ((mask >> (number - 1) & 1) == 0) continue;
    if (out.back() != '[') out += ' ';
    out += signal_name(number).substr(3);
  }
  return out + ']';
}

namespace {

// Errors of the kernel's own, which a tracer sees where a signal is about to interrupt a call.
constexpr Name kRestarts[] = {{512, "ERESTARTSYS"},
                              {513, "ERESTARTNOINTR"},
                              {514, "ERESTARTNOHAND"},
                              {515, "ENOIOCTLCMD"},
                              {516, "ERESTART_RESTARTBLOCK"}};

}  // namespace

std::string error_name(int64_t error) {
  const char* name = ::strerrorname_np(static_cast<int>(error));
  if (name != nullptr && error != 0) return name;
  for (const Name& restart : kRestarts)
    if (restart.value == static_cast<uint64_t>(error)) return std::string(restart.name);
  return fmt::format("E{}", error);
}

std::string error_text(int64_t error) {
  const char* text = ::strerrordesc_np(static_cast<int>(error));
  if (text != nullptr && error != 0) return text;
  return error >= 512 && error <= 516 ? "To be restarted" : "Unknown error";
}

std::string named_word(calls::Kind kind, uint64_t value) {
  for (auto* names : {named_file_word, named_memory_word, named_process_word, named_socket_word})
    if (std::string name = names(kind, value); !name.empty()) return name;
  return {};
}

}  // namespace sandstone::observe
