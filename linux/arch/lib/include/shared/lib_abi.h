/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the library kernel's image and the program that loads it agree on: where things are, the words that they share,
 * and the calls into the image. The image names its version and the shape of the structures; a loader refuses others than
 * its own.
 */
#ifndef LIB_ABI_H
#define LIB_ABI_H

#define LIB_ABI_MAGIC 0x6c656e72656b6c73 /* "slkernel" */
#define LIB_ABI_VERSION 1

#include <lib_layout.h>

#define LIB_MAX_MEMORY 0x800000000

/* Device n, 0 to LIB_MAX_DEVICES - 1, has its registers at physical address LIB_DEVICE_ADDRESS(n), interrupt n + 1. */
#define LIB_MAX_DEVICES 32
#define LIB_DEVICE_SIZE 0x1000
#define LIB_DEVICE_ADDRESS(n) (0x100000000UL * 16 + (n) * LIB_DEVICE_SIZE)
#define LIB_INTERRUPT_TIMER 0
#define LIB_INTERRUPT_DEVICE(n) ((n) + 1)
#define LIB_INTERRUPT_COUNT (LIB_MAX_DEVICES + 1) /* fill struct lib_counters */

/* lib_shared.state */
#define LIB_BOOTING 0
#define LIB_READY 1
#define LIB_HALTED 2
#define LIB_DEAD 3 /* it panicked; the log says why */

/* lib_carrier.status after a call came back */
#define LIB_RETURNED 0 /* the result is the system call's */
#define LIB_SIGNAL 1   /* as before, and lib_carrier.signal is to be delivered to a handler of the task's */
#define LIB_EXITED 2   /* the task is no more */
#define LIB_GONE 3     /* the kernel is halted or dead */

/* Calls of the embedder's own, beside the system calls; never let a guest make them. */
#define LIB_CALL_BASE 0x10000
#define LIB_CALL_CLONE (LIB_CALL_BASE + 0)      /* flags, wanted pid or 0 -> pid */
#define LIB_CALL_DEVICE_ADD (LIB_CALL_BASE + 1) /* device number */
#define LIB_CALL_DEVICE_REMOVE (LIB_CALL_BASE + 2)
#define LIB_CALL_HALT (LIB_CALL_BASE + 3)       /* sync, file systems read-only, power off */
#define LIB_CALL_STATISTICS (LIB_CALL_BASE + 4) /* struct lib_statistics * */
#define LIB_CALL_EXEC (LIB_CALL_BASE + 5)       /* struct lib_exec *, or NULL and: where to put its strings, on the stack, their size, and where the heap starts */
#define LIB_CALL_FAULT (LIB_CALL_BASE + 6)      /* signal, its si_code, address: a fault of the task's own */
#define LIB_CALL_PAGES (LIB_CALL_BASE + 7)      /* address, count, whether to write, u64 * for their physical addresses -> count */
#define LIB_CALL_AREA (LIB_CALL_BASE + 8)       /* address, struct lib_area *: the file's mapping there or the next above; -ENOENT */
#define LIB_CALL_TOUCH (LIB_CALL_BASE + 9)      /* address: maps the pages of a file there that are not; whether it can be used now */
#define LIB_CALL_DISOWN (LIB_CALL_BASE + 10)    /* a host process that is no more: ends what its threads made calls for */

#ifndef __ASSEMBLY__
#ifdef __KERNEL__
#include <linux/types.h>
typedef u8 lib_u8;
typedef u32 lib_u32;
typedef s32 lib_s32;
typedef u64 lib_u64;
typedef s64 lib_s64;
#else
#include <stdint.h>
typedef uint8_t lib_u8;
typedef uint32_t lib_u32;
typedef int32_t lib_s32;
typedef uint64_t lib_u64;
typedef int64_t lib_s64;
#endif

/* A signal for a handler of the task's, as struct ksignal has it. */
struct lib_signal {
	lib_u32 number, flags;
	lib_u64 handler, restorer, mask;
	lib_u8 info[128];
};

/* A host thread that may run the kernel. */
struct lib_carrier {
	lib_u64 host_sp;            /* its own stack, while it is inside */
	lib_u64 task;               /* the task that it makes calls for; 0: none */
	lib_u64 stack;              /* where that task's kernel stack starts */
	lib_u32 id;                 /* what it writes into the lock */
	lib_s32 memory;             /* LIB_MEMORY_… */
	lib_u64 vmalloc_generation; /* which of lib_shared's its process has mapped */
	lib_u32 sleeping;           /* futex: it waits to be given the CPU (lib_shared.owner says when) */
	lib_u32 leaving;            /* its call is done: it goes back to its caller when it loses the CPU */
	lib_s64 result;
	lib_u32 status;
	lib_u32 tid, pid;           /* of the host thread and its process */
	lib_u32 used;               /* somebody has it */
	lib_u32 parked;             /* it has given the CPU away, and not yet gone on */
	lib_u32 waiting;            /* it has counted itself in lib_shared.waiters */
	lib_u32 watch;              /* futex: LIB_WATCH_… */
	lib_u32 misses;             /* how often in a row spinning did not help it */
	lib_u32 kick;               /* the host's signal for its thread, in user mode, when its task has one due or has ended; 0: none */
	lib_u32 cloned;             /* LIB_CALL_CLONE's result as the first pid namespace counts */
	lib_u32 hold;               /* 1: handlers that are due wait for a later call; the kernel makes it 2 if there are any */
	lib_u64 relief;             /* address of a futex that is counted up and woken before it sleeps in a call; 0: none */
	struct lib_signal signal;
} __attribute__((aligned(64)));

#define LIB_MAX_CARRIERS 4096

/* lib_carrier.watch: the undertaker is asked to look after the task should thread `tid` of another process die. */
#define LIB_WATCH_NONE 0
#define LIB_WATCH_WANTED 1
#define LIB_WATCH_REFUSED 2 /* it may not be traced */
#define LIB_WATCHED 3

/* One access to a device's registers that waits for its answer, or a doorbell that does not. */
struct lib_device_window {
	lib_u32 request;  /* futex: counts accesses and doorbells */
	lib_u32 answer;   /* futex: counts answered accesses */
	lib_u32 asked;    /* counts accesses */
	lib_u32 offset, size, write, value;
	lib_u32 doorbells; /* bit n: queue n was notified; taken by the device's side */
	lib_u32 present;   /* the device's side listens */
	lib_u32 sleeping;  /* it waits on request */
	lib_u32 interrupt; /* the device's interrupt status; taken by the kernel, which so needs no access for it */
	lib_u32 unused[5];
} __attribute__((aligned(64)));

/* Who handled a signal of the host's before us. */
struct lib_old_handler {
	lib_u64 handler, flags;
};

/* How many pages of its own, of no file, a process of the host's has. One asks at a time, with the CPU held. */
struct lib_question {
	lib_u32 asked, answered; /* futexes; count */
	lib_u32 pid;
	lib_u32 listens; /* there is who answers */
	lib_u64 pages;
};

struct lib_shared {
	/* The one CPU: the id of the carrier that holds it, and how many wait for it. */
	lib_u32 owner;
	lib_u32 waiters;
	struct lib_carrier *carrier; /* that carrier */
	lib_u64 previous;            /* the task that was switched away from last */
	lib_u64 vmalloc_generation;
	lib_u32 strong_fence;        /* the host has no membarrier: unlock with a fence */
	lib_u32 state;               /* futex */
	lib_u32 undertaker;          /* its pid; 0: there is none */
	lib_u32 deaths;              /* threads that the undertaker has seen die */
	lib_u32 deaths_with_cpu;     /* of these, those that held the CPU */
	lib_u32 calls;               /* counts lib_enter's calls, with the CPU held; a waiter sees whether it is in use */
	lib_u64 turn;                /* when a waiter last took the CPU between two calls of others, by lib_now() */
	struct lib_old_handler old_segv, old_bus; /* of the host's SIGSEGV and SIGBUS */
	lib_u32 quiet;  /* `calls` when the CPU was last given away, or dropped by one who sleeps now */
	lib_u32 blocks; /* futex: counts blocks of pages that were used for the first time, see lib_header.used */
	/* Written from outside. */
	lib_u32 bell __attribute__((aligned(64))); /* futex of the interrupt thread */
	lib_u32 bell_sleeping;
	lib_u64 deadline; /* of the timer, in nanoseconds of the host's monotonic clock; all ones: none */
	struct lib_question question;
	struct lib_device_window windows[LIB_MAX_DEVICES];
};

/* What the loader tells the kernel before it boots. */
struct lib_boot {
	lib_u64 memory; /* bytes */
	lib_u64 image_size;
	/* nanoseconds of the monotonic clock = (tsc - tsc_base) * tsc_multiplier / 2^32 + tsc_nanoseconds; multiplier 0:
	 * ask the host */
	lib_u64 tsc_base, tsc_nanoseconds, tsc_multiplier;
	lib_s64 real_offset; /* real time less monotonic time, in nanoseconds */
	lib_u8 seed[32];
	lib_s32 log_fd; /* the console's output; -1: none */
	lib_s32 memory_fd; /* the memory file in every process whose memory the kernel maps pages of files into; 0: none */
	char command_line[2048];
};

/* What a task's last exec has left to the embedder: the file is open as `fd`, the strings (arguments, environment, name
 * of the file, each with its NUL) wait in the kernel. */
struct lib_exec {
	lib_s32 fd;
	lib_u32 argc, envc, secure, uid, euid, gid, egid;
	lib_u64 strings_at, strings_size; /* where the kernel says that they are (/proc), bytes */
	/* By how much to move what has no place of its own, so that nobody can guess where it is; bytes, whole pages. 0 where
	 * the task or kernel.randomize_va_space wants none of it. */
	lib_u64 move_program, move_mappings, move_heap;
};

/* A mapping of a file's. */
struct lib_area {
	lib_u64 start, end, offset;
	lib_u32 readable, writable, executable, shared;
};

#define LIB_MOST_PAGES 256 /* for one LIB_CALL_PAGES */

struct lib_statistics {
	lib_u64 tasks, runnable, memory_total, memory_free, memory_cached, memory_slab;
	lib_u64 context_switches, interrupts, up_nanoseconds, deaths, deaths_with_cpu;
};

/* What LIB_INTERRUPT_COUNT asks for, as of `time`. Sizes are in bytes; all that is not a size, a load or a number of what
 * there is now counts from the start. */
struct lib_counters {
	lib_u32 sequence, unused; /* odd while it is filled; even and another than before when that is done */
	lib_u64 time, started;    /* nanoseconds of the monotonic clock */
	lib_u64 processes, threads, runnable, descriptors;
	lib_u64 forks, context_switches, interrupts, softirqs[10]; /* as in /proc/softirqs */
	lib_u64 load[3]; /* of 1, 5 and 15 minutes, in 2048ths */
	lib_u64 memory_total, memory_free, memory_available, page_cache, page_cache_dirty, shared;
	lib_u64 slab_reclaimable, slab_unreclaimable, kernel_stacks;
};

struct lib_header {
	lib_u64 magic;
	lib_u32 shape, header_size; /* LIB_ABI_SHAPE, sizeof(struct lib_header) */
	lib_u64 text_start, text_end; /* with the constants: mapped executable, read-only */
	lib_u64 image_end;
	struct lib_shared *shared;
	struct lib_boot *boot;
	struct lib_counters *counters;
	lib_u8 *used; /* for each LIB_PAGE_BLOCK bytes of memory: 1 once the kernel has used some of it after boot's beginning */
	lib_u64 *pending; /* interrupts, one bit each; to look at: set them by interrupt() */
	struct lib_carrier *carriers; /* LIB_MAX_CARRIERS; the embedder gives them out by `used` */
	/* Boots on the calling thread, which becomes the interrupt thread; comes back when the kernel ends. */
	void (*run)(struct lib_carrier *carrier);
	/* Makes a system call, or one of LIB_CALL_…, as the carrier's task. */
	lib_s64 (*enter)(struct lib_carrier *carrier, lib_u64 number, lib_u64 a, lib_u64 b, lib_u64 c, lib_u64 d, lib_u64 e,
			 lib_u64 f);
	/* Binds a carrier to the task with this pid, as the kernel's first namespace counts; 0 or -errno. */
	lib_s64 (*bind)(struct lib_carrier *carrier, lib_s32 pid);
	lib_s64 (*unbind)(struct lib_carrier *carrier);
	/* Ends the call that the task with this pid is blocked in. By a carrier without a task. */
	lib_s64 (*interrupt_task)(struct lib_carrier *carrier, lib_s32 pid);
	/* The handler of SIGSEGV and SIGBUS, and its restorer, for rt_sigaction(2): faults on the image's own instructions are
	 * answered, all others go to the old handlers in lib_shared. */
	void (*on_fault)(int number, void *info, void *context);
	void (*restorer)(void);
	/* Never comes back: the calling process, single-threaded, becomes the undertaker. */
	void (*undertake)(struct lib_carrier *carrier);
	void (*interrupt)(lib_u32 number); /* from any thread */
};

/* Differs if a structure was changed and LIB_ABI_VERSION was not: a stale image would be misread silently. */
#define LIB_ABI_SHAPE (((LIB_ABI_VERSION << 24) ^ (sizeof(struct lib_carrier) << 12) ^ \
	__builtin_offsetof(struct lib_carrier, signal) ^ (sizeof(struct lib_shared) << 4) ^ \
	(__builtin_offsetof(struct lib_shared, bell) << 16) ^ (__builtin_offsetof(struct lib_shared, state) << 26) ^ (sizeof(struct lib_boot) << 8) ^ \
	(sizeof(struct lib_statistics) << 20) ^ (sizeof(struct lib_counters) << 10)) & 0xffffffff)

#ifdef __KERNEL__
extern struct lib_shared lib_shared;
extern struct lib_boot lib_boot;
#endif
#endif /* __ASSEMBLY__ */
#endif
