// The run-time of guests: what lies in every process of a guest's tree, below the library kernel, and serves its system
// calls. Freestanding: no libc, no thread-local storage, general registers only, since the guest's are live while it runs.
//
// This header is what it shares with the program that loads it (src/sandbox_kernel).
#pragma once

#include <lib_abi.h>
#include <stdint.h>

namespace sandstone::runtime {

// Addresses, the same in all processes. The text and the data of the run-time are private to a process, the threads'
// slots are shared, so that no fork copies a stack that another process still runs on.
inline constexpr uint64_t kBase = LIB_RUNTIME;
inline constexpr uint64_t kMagic = 0x656d69746e7572;
inline constexpr uint64_t kSlots = LIB_RUNTIME + 0x8000000000;
inline constexpr uint64_t kSlotSize = 64 << 10;
inline constexpr uint64_t kSlotsSize = kSlotSize * LIB_MAX_CARRIERS;

// The host's signal that tells a thread to look whether a signal of the library kernel's is due.
inline constexpr int kKick = 63;

// How a guest's calls come in.
enum class Mode : uint32_t { trap, rewrite, notify };

// Filled in by the loader, before the first guest.
struct Boot {
  lib_header* kernel;
  int32_t memory_fd;        // the library kernel's memory file
  uint64_t memory_size;
  uint64_t kept_start, kept_end;  // the host's vdso and its data: stay through exec
  uint64_t vdso;
  uint64_t hwcap, hwcap2, clock_ticks, minimum_signal_stack;
  Mode mode;
  uint32_t allow_writable_code;
};

// What the first guest's thread is started with.
struct Start {
  lib_carrier* carrier;     // bound to its task, whose files, folder and ids are set
  const char* const* paths;  // to try, in order; the last is null
  const char* const* arguments;
  const char* const* environment;
  const void* filter;       // struct sock_fprog, or null
  int64_t error;            // out, if nothing could be executed: -errno. In memory that both processes see
};

struct Header {
  uint64_t magic;
  Boot* boot;
  [[noreturn]] void (*start)(Start* start);
};

}  // namespace sandstone::runtime
