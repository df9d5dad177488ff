// What a guest of the tier `kernel` knows of its own process: the run-time, whose text may call the host, and
// the library kernel, whose memory it can write. An attacker has read our source; so the layout is not
// guessed.
#pragma once

#include <lib_abi.h>
#include <setjmp.h>
#include <stdint.h>

#include "attack.h"

// src/runtime/runtime.h
#define RUNTIME ((unsigned char*)LIB_RUNTIME)
#define RUNTIME_MAGIC 0x656d69746e7572UL
#define SLOTS LIB_STACKS
#define SLOTS_SIZE (65536UL * LIB_MAX_CARRIERS)
#define PATCHES (LIB_RUNTIME + 0x100000)
#define RINGS (LIB_RUNTIME + 0x30000000)
#define RINGS_SIZE (4096UL + ((1UL << 20) + 4096) * 64)  // those of the first threads
#define COUNTS (LIB_RUNTIME + 0x4000000)
#define COUNTS_SIZE (4096UL + 8192 * 64)
#define MEMORY_SIZE (1UL << 30)

const struct lib_header* kernel_header(void);

// From now on raw() calls from a `syscall` of the run-time's ("runtime") or of this program's ("own").
void find_gadget(const char* whose);

// As syscall(2), from the gadget; -errno on failure. What is below the stack pointer stays as it is.
long raw(long number, long a, long b, long c, long d, long e, long f);
#define RAW_1(n, a, b, c, d, e, f, ...) \
  raw((long)(n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define RAW(...) RAW_1(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

// Where on_fault goes on.
extern sigjmp_buf bad_address;
void on_fault(int number);
