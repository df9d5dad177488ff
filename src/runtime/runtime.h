// The run-time of guests: what lies in every process of a guest's tree, below the library kernel, and serves
// its system calls. Freestanding: no libc, no thread-local storage, general registers only, since the guest's
// are live while it runs.
//
// This header is what it shares with the program that loads it (src/kernel).
#pragma once

#include <lib_abi.h>
#include <stdint.h>

namespace sandstone::runtime {

// Addresses, the same in all processes. The text and the data of the run-time are private to a process, the
// threads' slots are shared, so that no fork copies a stack that another process still runs on.
inline constexpr uint64_t kBase = LIB_RUNTIME;
inline constexpr uint64_t kMagic = 0x656d69746e7572;
inline constexpr uint64_t kSlots = LIB_STACKS;
inline constexpr uint64_t kSlotSize = 64 << 10;
inline constexpr uint64_t kSlotsSize = kSlotSize * LIB_MAX_CARRIERS;
static_assert(kSlots + kSlotsSize <= kBase);

inline constexpr uint64_t kPatches = LIB_RUNTIME + 0x100000;  // a PatchTable, shared too

// With a trace: how many slots have been in use at most, and a ring of records (observe/ring.h) for each.
inline constexpr uint64_t kRingsInUse = LIB_RUNTIME + 0x30000000;
inline constexpr uint64_t kRings = kRingsInUse + 4096;
inline constexpr uint64_t kRingCapacity = 1 << 20;
inline constexpr uint64_t kRingStride = kRingCapacity + 4096;
inline constexpr uint64_t kRingsSize = 4096 + kRingStride * LIB_MAX_CARRIERS;  // from kRingsInUse on
static_assert(kRingsInUse + kRingsSize <= LIB_END);

// With counting: how many slots have been in use at most, and Counts for each. Whoever has a slot adds to its
// Counts, which nobody clears. In the modes in which guests reach them they can write what they like there.
inline constexpr uint64_t kCountsInUse = LIB_RUNTIME + 0x4000000;
inline constexpr uint64_t kCounts = kCountsInUse + 4096;
inline constexpr uint64_t kCountsStride = 8192;
inline constexpr uint64_t kCountsSize = 4096 + kCountsStride * LIB_MAX_CARRIERS;  // from kCountsInUse on
static_assert(kCountsInUse + kCountsSize <= kRingsInUse);

struct Counts {
  static constexpr uint64_t kNumbers = 512;  // the last one is for all that follow
  // How calls came. The first are rewrite::Form's, in its order.
  static constexpr uint64_t kForms = 4, kTrapped = 4, kNotified = 5, kEntries = 8;
  uint64_t entries[kEntries];
  uint64_t calls[kNumbers];   // by the number of the call
  uint32_t enosys[kNumbers];  // those that gave -ENOSYS
};
static_assert(sizeof(Counts) <= kCountsStride);

// Where a call site of Form f enters when calls are counted: Header::counted + f * this.
inline constexpr uint64_t kCountedStep = 16;

// The host's signal that tells a thread to look whether a signal of the library kernel's is due.
inline constexpr int kKick = 63;

// How a guest's calls come in.
enum class Mode : uint32_t { trap, rewrite, notify };

// Mode::notify: the library kernel is in its own process alone. A call of the run-time's is words in the
// thread's slot and then the one `syscall` instruction that ends at Header::notify_end, whatever its number;
// the kernel's process answers it. Calls of the guest's own code that the library kernel serves go there
// without the run-time.
struct Request {
  uint64_t number;
  uint64_t words[6];
  uint32_t held;  // as lib_carrier.hold
};

// In a slot, after the Thread. The slot's carrier is a copy for the run-time: the real one is in the kernel's
// process, which writes status, signal, hold and cloned to the copy, and task and used when it finds the
// thread dead, and reads nothing there.
inline constexpr uint64_t kRequestAt = 1024, kCarrierAt = 2048;

// Calls beside the system calls and LIB_CALL_…, for that process alone.
inline constexpr uint64_t kCallDue =
    LIB_CALL_BASE + 0x100;  // what the last call of the guest's own code, or else anything, has
                            // left to deliver -> number of the call to make again + 1, or 0
inline constexpr uint64_t kCallBegin =
    LIB_CALL_BASE + 0x101;  // task as in lib_carrier.cloned, the host's pid: it is this thread's
inline constexpr uint64_t kCallMove =
    LIB_CALL_BASE + 0x102;  // another thread is to begin with this one's task -> that task
inline constexpr uint64_t kCallForget = LIB_CALL_BASE + 0x103;  // task: nobody will begin with it

// Filled in by the loader, before the first guest.
struct Boot {
  lib_s64 (*enter)(lib_carrier* carrier, lib_u64 number, lib_u64 a, lib_u64 b, lib_u64 c, lib_u64 d,
                   lib_u64 e, lib_u64 f);
  lib_header* kernel;  // null in Mode::notify, as are the next two
  uint64_t kernel_text, kernel_text_end;
  int32_t memory_fd;  // the library kernel's memory file
  uint64_t memory_size;
  uint64_t window_size;  // Mode::notify: bytes behind the memory, mapped where the library kernel has them
  uint64_t kept_start, kept_end;  // the host's vdso and its data: stay through exec
  uint64_t vdso;
  uint64_t hwcap, hwcap2, clock_ticks, minimum_signal_stack;
  Mode mode;
  uint32_t allow_writable_code;
  int32_t patches_fd;  // rewritten text; -1: none
  uint32_t trace;      // there are rings
  uint32_t count;      // calls are counted
  // Nanoseconds since 1970 = (tsc - tsc_base) * tsc_multiplier / 2^32 + tsc_nanoseconds; multiplier 0: ask
  // the host.
  uint64_t tsc_base, tsc_multiplier, tsc_nanoseconds;
};

// Text whose call sites are rewritten. It is made once for each part of a file that is mapped executable, by
// the kernel's own process on request, and mapped by all guests in place of the file's own.
struct PatchKey {
  uint64_t device, inode, size, modified, changed;  // which file, and which state of it
  uint64_t offset, length;                          // which part, whole pages
  int64_t distance;                                 // of its trampolines, from its start

  bool operator==(const PatchKey&) const = default;
};

// Where an instruction is and where it was, or the other way round, from the start of the part.
struct PatchMove {
  int32_t from, to;
};

struct Patch {
  PatchKey key;
  uint64_t
      at;  // in the file of patches: the text, of key.length bytes; then the trampolines; then the tables
  uint64_t trampolines, trampolines_size,
      tables_size;            // whole pages; no trampolines: nothing is to be patched
  uint32_t moved, displaced;  // PatchMoves in the tables: what is in a trampoline now; what was overwritten
  uint32_t ready;
};

inline constexpr uint32_t kMostPatches = 1024;
struct PatchTable {
  uint32_t lock;      // futex: of who asks
  uint32_t asked;     // futex, counts
  uint32_t answered;  // futex, counts
  int32_t pid, fd;    // who has the file open, in the library kernel's terms
  PatchKey wanted;
  uint32_t count;
  Patch patches[kMostPatches];
};
static_assert(kPatches + sizeof(PatchTable) <= kCountsInUse);

// What the first guest's thread is started with.
struct Start {
  lib_carrier* carrier;      // bound to its task, whose files, folder and ids are set
  const char* const* paths;  // to try, in order; the last is null
  const char* const* arguments;
  const char* const* environment;
  const void* filter;  // struct sock_fprog, or null
  int64_t error;       // out, if nothing could be executed: -errno. In memory that both processes see
  // Mode::notify.
  uint64_t task;      // as in kCallBegin
  uint32_t listener;  // futex; out: the descriptor of the notifications + 1, in the table that both processes
                      // share
  uint32_t may_run;   // futex: the kernel's process stands behind its own wall
};

struct Header {
  uint64_t magic;
  Boot* boot;
  void (*start)(Start* start) __attribute__((noreturn));
  uint64_t entry;  // where a rewritten call site goes on
  uint64_t notify_end;
  uint64_t counted;  // as `entry`, if calls are counted
};

}  // namespace sandstone::runtime
