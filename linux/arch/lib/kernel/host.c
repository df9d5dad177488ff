// SPDX-License-Identifier: GPL-2.0
/* The host, by raw system calls: the image has no libc, and runs in processes that each have their own. */
#include <linux/kernel.h>
#include <linux/time64.h>
#include <asm/lib.h>

#define HOST_FUTEX 202
#define HOST_CLOCK_GETTIME 228
#define HOST_MEMBARRIER 324

#define FUTEX_WAKE 1
#define FUTEX_WAIT_BITSET 9
#define MEMBARRIER_GLOBAL_EXPEDITED 2

long lib_host(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	register long r9 asm("r9") = f;
	long result;

	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return result;
}

/* Not FUTEX_PRIVATE: the words are shared by processes. */
void lib_futex_wake(u32 *word, int count)
{
	lib_host(HOST_FUTEX, (long)word, FUTEX_WAKE, count, 0, 0, 0);
}

void lib_futex_wait(u32 *word, u32 value, u64 deadline)
{
	struct { s64 seconds, nanoseconds; } until = { deadline / NSEC_PER_SEC, deadline % NSEC_PER_SEC };

	lib_host(HOST_FUTEX, (long)word, FUTEX_WAIT_BITSET, value, deadline == U64_MAX ? 0 : (long)&until, 0, ~0U);
}

u64 lib_host_clock(void)
{
	struct { s64 seconds, nanoseconds; } now = {};

	lib_host(HOST_CLOCK_GETTIME, 1 /* CLOCK_MONOTONIC */, (long)&now, 0, 0, 0, 0);
	return now.seconds * NSEC_PER_SEC + now.nanoseconds;
}

/* Every CPU that runs one of our threads passes a full barrier: the other half of the unlock without a fence. */
void lib_host_fence(void)
{
	if (lib_host(HOST_MEMBARRIER, MEMBARRIER_GLOBAL_EXPEDITED, 0, 0, 0, 0, 0) < 0)
		lib_swap(&lib_shared.strong_fence, 1);
}
