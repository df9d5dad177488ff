// Fills a Record: capture_entry() before the call, capture_exit() after it.
//
//   Record record;                                       // on the stack; not cleared
//   record.pid = ...; record.tid = ...; record.time = now();
//   capture_entry(record, number, args, copy);
//   const int64_t result = serve(number, args);
//   record.duration = now() - record.time;
//   capture_exit(record, result, copy);
//   ring.push(record);
//
// copy(to, from, n) copies up to n bytes of the caller's memory at `from`, stops at the first that cannot be
// read, and returns how many it copied. It is called for pieces of at most 256 bytes. Freestanding: no libc,
// no exception, no vector register. The memory may change while it is looked at: what is kept is a trace,
// never what a wall decides on.
#pragma once

#include "observe/plan.h"
#include "observe/record.h"

namespace sandstone::observe {

namespace detail {

constexpr uint64_t smaller(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

struct Vector {
  uint64_t base;
  uint64_t length;
};

// struct msghdr of x86-64.
struct Message {
  uint64_t name;
  uint32_t name_length;
  uint32_t padding;
  uint64_t vectors;
  uint64_t vector_count;
  uint64_t control;
  uint64_t control_length;
  uint64_t flags;
};
static_assert(sizeof(Message) == 56);

template <typename Copy>
class Capture {
 public:
  Capture(Record& record, Copy& copy) : record_(record), copy_(copy) {}

  // Keeps `length` bytes at `from`, `most` of them at most.
  void bytes(unsigned arg, unsigned which, uint64_t from, uint64_t length, uint64_t most) {
    const uint64_t take = smaller(smaller(length, most), room());
    if (from == 0 || take == 0 || take > Record::kMemory) return;
    const size_t got = copy_(space(), from, static_cast<size_t>(take));
    close(arg, which, got, got < length);
  }

  // Never reads past the page in which the zero byte lies: the next one may not be there, and a fault is
  // dear.
  void text(unsigned arg, unsigned which, uint64_t from, uint64_t most) {
    if (from == 0) return;
    const uint64_t limit = smaller(most, room());
    uint8_t* const to = space();
    uint64_t kept = 0;
    while (kept < limit) {
      const uint64_t chunk = smaller(smaller(limit - kept, 4096 - ((from + kept) & 4095)), 64);
      const size_t got = copy_(to + kept, from + kept, static_cast<size_t>(chunk));
      const size_t end = first_zero(to + kept, got);
      if (end < got) return close(arg, which, static_cast<size_t>(kept + end), false, true);
      kept += got;
      if (got < chunk) break;
    }
    close(arg, which, static_cast<size_t>(kept), true);
  }

  // An argv: at most eight strings, as far as the record has room. One piece for each, `part` is its place.
  void strings(unsigned arg, uint64_t from, uint64_t most) {
    uint64_t pointers[8];
    const size_t got = copy_(pointers, from, sizeof pointers) / 8;
    unsigned i = 0;
    for (; i < got && pointers[i] != 0 && room() > 0; ++i) text(arg, i, pointers[i], most);
    if (i > 0 && (i == got || pointers[i] != 0)) mark_last(PieceHeader::kMore);
  }

  // How many strings there are.
  void environment(unsigned arg, uint64_t from) {
    uint32_t count = 0;
    while (count < 4096) {
      uint64_t pointers[16];
      const size_t got = copy_(pointers, from + uint64_t{8} * count, sizeof pointers) / 8;
      size_t i = 0;
      while (i < got && pointers[i] != 0) ++i;
      count += static_cast<uint32_t>(i);
      if (i < 16) break;
    }
    if (from != 0) own(arg, part::whole, &count, sizeof count);
  }

  // The structs of the first four, and the first bytes of what they point to; `total` bytes are valid there.
  void vectors(unsigned arg, uint64_t from, uint64_t count, uint64_t total, uint64_t most) {
    Vector vectors[4];
    const uint64_t want = smaller(count, 4);
    const uint64_t got = copy_(vectors, from, static_cast<size_t>(want * sizeof(Vector))) / sizeof(Vector);
    if (got == 0) return;
    own(arg, part::vectors, vectors, static_cast<size_t>(got * sizeof(Vector)));
    uint64_t left = smaller(total, most);
    for (uint64_t i = 0; i < got && left > 0; ++i) {
      const uint64_t take = smaller(vectors[i].length, left);
      bytes(arg, part::data + static_cast<unsigned>(i), vectors[i].base, take, most);
      left -= take;
    }
  }

  void message(unsigned arg, uint64_t from, uint64_t total, uint64_t most) {
    Message message;
    if (copy_(&message, from, sizeof message) != sizeof message) return;
    own(arg, part::whole, &message, sizeof message);
    bytes(arg, part::name, message.name, message.name_length, 28);
    vectors(arg, message.vectors, message.vector_count, total, most);
  }

  uint32_t word(uint64_t from) {
    uint32_t value = 0;
    return from != 0 && copy_(&value, from, sizeof value) == sizeof value ? value : 0;
  }

 private:
  // Where the first zero byte is, or `size`. By words: paths are long.
  static size_t first_zero(const uint8_t* bytes, size_t size) {
    size_t at = 0;
    for (; at + 8 <= size; at += 8) {
      uint64_t word = 0;
      __builtin_memcpy(&word, bytes + at, sizeof word);
      const uint64_t zeros = (word - 0x0101010101010101) & ~word & 0x8080808080808080;
      if (zeros != 0) return at + static_cast<size_t>(__builtin_ctzll(zeros)) / 8;
    }
    while (at < size && bytes[at] != 0) ++at;
    return at;
  }

  [[nodiscard]] uint64_t room() const {
    const size_t used = record_.captured + sizeof(PieceHeader);
    return used < Record::kMemory ? Record::kMemory - used : 0;
  }
  uint8_t* space() { return record_.memory + record_.captured + sizeof(PieceHeader); }

  void close(unsigned arg, unsigned which, size_t length, bool cut, bool empty_too = false) {
    if (length > room() || (length == 0 && !empty_too) || room() == 0) return;
    const PieceHeader header{static_cast<uint8_t>(arg),
                             static_cast<uint8_t>(which | (cut ? PieceHeader::kCut : 0U)),
                             static_cast<uint16_t>(length)};
    last_ = record_.captured;
    __builtin_memcpy(record_.memory + record_.captured, &header, sizeof header);
    record_.captured = static_cast<uint16_t>(record_.captured + sizeof header + length);
  }

  void own(unsigned arg, unsigned which, const void* from, size_t length) {
    if (length > room()) return;
    const auto* bytes = static_cast<const uint8_t*>(from);
    uint8_t* to = space();
    for (size_t i = 0; i < length; ++i) to[i] = bytes[i];
    close(arg, which, length, false);
  }

  void mark_last(uint8_t flag) {
    record_.memory[last_ + 1U] = static_cast<uint8_t>(record_.memory[last_ + 1U] | flag);
  }

  Record& record_;
  Copy& copy_;
  uint16_t last_ = 0;
};

// Which calls of fcntl and ioctl have memory worth a look: its size, and whether before the call or after it.
struct Extra {
  uint8_t size;
  bool after;
};

constexpr Extra extra_of_fcntl(uint64_t command) {
  switch (command) {
    case 5:
    case 36:
      return {32, true};  // F_GETLK, F_OFD_GETLK
    case 6:
    case 7:
    case 37:
    case 38:
      return {32, false};  // F_SETLK, F_SETLKW and the OFD ones
    default:
      return {0, false};
  }
}

constexpr Extra extra_of_ioctl(uint64_t request) {
  switch (static_cast<uint32_t>(request)) {
    case 0x5413:
      return {8, true};  // TIOCGWINSZ
    case 0x5414:
      return {8, false};  // TIOCSWINSZ
    case 0x541b:
    case 0x540f:
      return {4, true};  // FIONREAD, TIOCGPGRP
    case 0x5421:
    case 0x5410:
      return {4, false};  // FIONBIO, TIOCSPGRP
    default:
      return {0, false};
  }
}

template <typename Copy>
void capture_argument(Record& record, const calls::Call& call, unsigned i, bool after, Copy& copy) {
  Capture<Copy> capture(record, copy);
  const calls::Arg arg = call.args[i];
  const Plan plan = kMasks.plans[static_cast<unsigned>(arg.kind)];
  const uint64_t from = record.args[i];
  const uint64_t with = record.args[arg.with];
  const uint64_t result = after ? static_cast<uint64_t>(record.result) : 0;
  if (from == 0) return;
  switch (plan.how) {
    case How::fixed:
      return capture.bytes(i, part::whole, from, plan.most, plan.most);
    case How::text:
      return capture.text(i, part::whole, from, plan.most);
    case How::sized:
      return capture.bytes(i, part::whole, from, with, plan.most);
    case How::resulting:
      return capture.bytes(i, part::whole, from, smaller(result, with), plan.most);
    case How::length_pointed:
      return capture.bytes(i, part::whole, from, capture.word(with), plan.most);
    case How::array:
      return capture.bytes(i, part::whole, from, smaller(with, 4096) * 8, plan.most);
    case How::events:
      return capture.bytes(i, part::whole, from, smaller(result, 4096) * 12, plan.most);
    case How::bits:
      return capture.bytes(i, after ? part::second : part::whole, from, (smaller(with, 4096) + 63) / 64 * 8,
                           plan.most);
    case How::strings:
      return capture.strings(i, from, plan.most);
    case How::environment:
      return capture.environment(i, from);
    case How::vectors:
      return capture.vectors(i, from, with, after ? result : ~uint64_t{0}, plan.most);
    case How::message:
      return capture.message(i, from, after ? result : ~uint64_t{0}, plan.most);
    case How::fcntl:
    case How::ioctl: {
      const Extra extra =
          plan.how == How::fcntl ? extra_of_fcntl(record.args[1]) : extra_of_ioctl(record.args[1]);
      if (extra.after == after) capture.bytes(i, part::whole, from, extra.size, extra.size);
      return;
    }
    case How::nothing:
      return;
  }
}

}  // namespace detail

// Sets number, args, captured and no_result, and keeps what the call is given.
template <typename Copy>
inline void capture_entry(Record& record, uint32_t number, const uint64_t (&args)[6], Copy&& copy) {
  record.number = number;
  record.captured = 0;
  record.no_result = 1;
  record.result = 0;
  for (unsigned i = 0; i < 6; ++i) record.args[i] = args[i];
  if (number > calls::kLastNumber) return;
  for (unsigned mask = kMasks.before[number]; mask != 0; mask &= mask - 1)
    detail::capture_argument(record, calls::kTable.calls[number], static_cast<unsigned>(__builtin_ctz(mask)),
                             false, copy);
}

// Sets result and no_result, and keeps what the call gave: nothing if it failed.
template <typename Copy>
inline void capture_exit(Record& record, int64_t result, Copy&& copy) {
  record.result = result;
  record.no_result = 0;
  if (failed(result) || record.number > calls::kLastNumber) return;
  for (unsigned mask = kMasks.after[record.number]; mask != 0; mask &= mask - 1)
    detail::capture_argument(record, calls::kTable.calls[record.number],
                             static_cast<unsigned>(__builtin_ctz(mask)), true, copy);
}

}  // namespace sandstone::observe
