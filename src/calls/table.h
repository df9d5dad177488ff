// What every x86-64 system call is: its name, its arguments, and who serves it in the tier `kernel`.
//
//   const Call* call = find(number);
//   if (call == nullptr) return -ENOSYS;                     // no such call in Linux 6.18
//   if (call->route == Route::refused) return -call->error;
//
// Constant data without pointers (so it needs no relocation), for code without libc too. The numbers are
// those of arch/x86/entry/syscalls/syscall_64.tbl of Linux 6.18; the x32 ones (512 and up) are no part of it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "calls/kind.h"

namespace sandstone::calls {

enum class Route : uint8_t {
  undecided,  // a number that Linux has not given away
  library,    // the library kernel answers it as it is
  host,       // the host's kernel answers it: futexes, scheduling, memory that involves no file
  both,       // the runtime does it and keeps the two sides in step: processes, mappings, signal frames
  refused,    // fails with Call::error
};

struct Arg {
  Kind kind = Kind::none;
  uint8_t with = 0;  // the argument that holds this one's length or count, from 0
};

struct Call {
  char name[24] = {};
  uint8_t count = 0;  // of arguments
  Route route = Route::undecided;
  uint8_t error = 0;  // errno, positive, of a refused call
  Kind result = Kind::integer;
  Arg args[6] = {};

  constexpr Call gives(Kind kind) const {
    Call call = *this;
    call.result = kind;
    return call;
  }
};

inline constexpr uint32_t kLastNumber = 469;  // file_setattr

struct Table {
  Call calls[kLastNumber + 1] = {};
};

namespace detail {

struct Entry {
  uint32_t number;
  Call call;
};

struct Decision {
  Route route;
  uint8_t error = 0;
};

// An argument of the list: `fd`, or `sized(bytes_out, 2)`, whose length is argument 2.
struct Item {
  Arg arg;
  constexpr Item(Kind kind)
      : arg{kind, 0} {}  // NOLINT(google-explicit-constructor): so that lists read as lists
  constexpr explicit Item(Arg whole) : arg(whole) {}
};

constexpr Item sized(Kind kind, uint8_t with) {
  return Item(Arg{kind, with});
}

template <size_t length, typename... Items>
constexpr Call call(const char (&name)[length], Decision decision, Items... items) {
  Call made;
  static_assert(length <= sizeof made.name && sizeof...(items) <= 6);
  for (size_t i = 0; i < length; ++i) made.name[i] = name[i];
  made.route = decision.route;
  made.error = decision.error;
  (
      [&](Item item) {
        made.args[made.count] = item.arg;
        ++made.count;
      }(items),
      ...);
  return made;
}

// Calls to these are no constants, so a list with the fault does not compile.
void numbers_must_rise();
void length_must_be_in_an_argument();

consteval Table compose() {
  using enum Kind;
  constexpr Decision library{Route::library};
  constexpr Decision host{Route::host};
  constexpr Decision both{Route::both};
  constexpr Decision enosys{Route::refused, 38};  // a kernel built without it: libraries fall back
  constexpr Decision eperm{Route::refused, 1};    // known and dangerous, as the wall of seccomp says it
  constexpr Entry kEntries[] = {
#include "calls/table_000.inc"
#include "calls/table_150.inc"
#include "calls/table_424.inc"
  };
  Table table;
  uint32_t next = 0;
  for (const Entry& entry : kEntries) {
    if (entry.number < next || entry.number > kLastNumber) numbers_must_rise();
    for (uint8_t i = 0; i < entry.call.count; ++i)
      if (entry.call.args[i].with >= entry.call.count) length_must_be_in_an_argument();
    next = entry.number + 1;
    table.calls[entry.number] = entry.call;
  }
  return table;
}

}  // namespace detail

inline constexpr Table kTable = detail::compose();

// The call of this number, or null where Linux has none.
constexpr const Call* find(uint64_t number) {
  if (number > kLastNumber || kTable.calls[number].route == Route::undecided) return nullptr;
  return &kTable.calls[number];
}

}  // namespace sandstone::calls
