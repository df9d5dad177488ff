// Record: one system call as the trace keeps it: the call's words, and the first bytes of what its arguments
// point to.
//
// Fixed layout of a little-endian x86-64, shared between a guest's process that writes it and a supervisor
// that trusts nothing in it. `memory` holds `captured` bytes of pieces, each a PieceHeader and then its
// bytes, without padding.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sandstone::observe {

enum class Disposition : uint8_t { library, host, both, refused };

// How the call came: by a patched site, by SIGSYS, or by a seccomp notification.
enum class Transport : uint8_t { rewritten, trapped, notified };

struct PieceHeader {
  uint8_t arg;   // 0 to 5
  uint8_t part;  // which memory of that argument (below), or the string's place in a list; and the flags
  uint16_t length;

  static constexpr uint8_t kCut = 0x80;   // there was more
  static constexpr uint8_t kMore = 0x40;  // of a list: more strings follow
  [[nodiscard]] constexpr unsigned place() const { return part & 0x3fU; }
};
static_assert(sizeof(PieceHeader) == 4);

namespace part {
enum : uint8_t {
  whole = 0,    // what the argument points to
  second = 1,   // the same after the call, where it matters before it as well
  vectors = 2,  // iovec structs
  name = 3,     // a message's address
  data = 4,     // what the first iovec points to; 5 for the second, and so on
};
}

struct Record {
  static constexpr size_t kMemory = 256;

  uint64_t time;      // when it began: nanoseconds of CLOCK_REALTIME
  uint64_t duration;  // nanoseconds
  uint32_t pid;
  uint32_t tid;
  uint32_t number;
  uint16_t captured;  // bytes of `memory`
  Disposition disposition;
  Transport transport : 4;
  uint8_t no_result : 4;  // 1: did not return, as exit(2); or is kept before it could, as execve(2)
  uint64_t args[6];
  int64_t result;  // negative errno: -4095 to -1
  uint8_t memory[kMemory];
};

inline constexpr size_t kRecordHeader = offsetof(Record, memory);
static_assert(kRecordHeader == 96 - 8 && sizeof(Record) == kRecordHeader + Record::kMemory);

constexpr bool failed(int64_t result) {
  return result < 0 && result >= -4095;
}

}  // namespace sandstone::observe
