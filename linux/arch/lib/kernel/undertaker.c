// SPDX-License-Identifier: GPL-2.0
/*
 * The undertaker: a process that looks after the tasks of other processes' threads when those die at any moment, by
 * SIGKILL too. It traces these threads, and so sees each stop on its way out (PTRACE_EVENT_EXIT) with its registers.
 *
 * It has nothing mapped but the shared areas. So what it finishes for the dead finds their memory gone (EFAULT), never
 * memory of its own at the same address.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/signal.h>
#include <linux/time64.h>
#include <asm/lib.h>
#include <asm/sections.h>

extern const char lib_text_end[];

#define HOST_CLOSE 3
#define HOST_POLL 7
#define HOST_MUNMAP 11
#define HOST_RT_SIGACTION 13
#define HOST_RT_SIGPROCMASK 14
#define HOST_EXIT 60
#define HOST_WAIT4 61
#define HOST_PTRACE 101
#define HOST_GETPPID 110
#define HOST_RT_SIGTIMEDWAIT 128
#define HOST_PIDFD_OPEN 434
#define HOST_USER_END 0x7ffffffff000

#define HOST_PTRACE_GETREGS 12
#define WNOHANG_WALL 0x40000001
#define REGISTER_RIP 16
#define REGISTER_RSP 19

static bool in_text(u64 address)
{
	return address >= (u64)_stext && address < (u64)lib_text_end;
}

static bool in_memory(u64 address)
{
	return address >= LIB_BASE && address < LIB_BASE + lib_boot.memory;
}

static void unwatch(struct lib_carrier *dead)
{
	u32 id = dead->id;

	if (READ_ONCE(dead->waiting))
		lib_add(&lib_shared.waiters, -1);
	memset(dead, 0, sizeof(*dead));
	dead->id = id;
}

/*
 * The task may run on any carrier from now on, and so must not come to the end of its call there: that would be taken for
 * the end of the call of the carrier's own task. A word is enough until lib_disown() kills it by the rules.
 */
static void set_adrift(struct task_struct *task)
{
	task->thread.carrier = NULL;
	sigaddset(&task->pending.signal, SIGKILL);
	set_tsk_thread_flag(task, TIF_SIGPENDING);
}

/*
 * The CPU is the dead thread's: goes on until it is free or somebody else's. The cases are where the thread was: on a
 * kernel stack, in the middle of something; or on its own stack, between taking the CPU and using it, or between leaving
 * it and giving it away.
 */
static void finish(struct lib_carrier *own, struct lib_carrier *dead, u64 *registers)
{
	struct task_struct *task = (void *)dead->task;
	struct lib_carrier *turn = current->thread.carrier;
	int i;

	own->leaving = 0;
	lib_map_vmalloc(own);
	/* Else it is right for whoever has been switched to already. */
	if (current == task)
		lib_memory_of = LIB_MEMORY_NONE;
	if (registers && in_text(registers[REGISTER_RIP]) && in_memory(registers[REGISTER_RSP])) {
		if (task)
			set_adrift(task);
		/* What it holds of its carrier is ours now. */
		for (i = 0; i < 15; i++)
			if (registers[i] == (u64)dead)
				registers[i] = (u64)own;
		lib_swap(&lib_shared.owner, own->id);
		lib_take_over(own, registers);
	} else if (dead->parked && current != &init_task && turn == dead) {
		set_adrift(task);
		lib_swap(&lib_shared.owner, own->id);
		lib_take_turn(own);
	} else if (dead->parked && current != &init_task && turn) {
		lib_give_cpu(turn);
	} else {
		/* Nothing had begun, or all was done. */
		lib_swap(&lib_shared.owner, own->id);
	}
}

/* Threads that stopped on their way out and are not let go yet, with their registers; one slot more than can matter. */
#define MAX_DYING 256
static struct dying {
	u32 tid;
	bool known; /* its registers are, and nothing has used them */
	u64 registers[27];
} dying[MAX_DYING];
static unsigned int dying_count;

static void collect(void);

static struct dying *dying_with(u32 tid)
{
	unsigned int i;

	for (i = 0; i < dying_count; i++)
		if (dying[i].tid == tid)
			return &dying[i];
	return NULL;
}

/* The CPU is free or ours after this, or somebody alive has it. */
static void finish_owner(struct lib_carrier *own, u32 owner)
{
	struct lib_carrier *holder = &lib_carriers[owner - 1];
	struct dying *one = dying_with(READ_ONCE(holder->tid));

	if (!one || READ_ONCE(holder->watch) != LIB_WATCHED)
		return;
	lib_shared.deaths_with_cpu += one->known;
	finish(own, holder, one->known ? one->registers : NULL);
	one->known = false;
}

static void bury(struct lib_carrier *own, struct lib_carrier *dead)
{
	/* It may have died between freeing the CPU, or giving it away, and telling so. */
	lib_futex_wake(&lib_shared.owner, INT_MAX);
	while (READ_ONCE(lib_shared.state) < LIB_HALTED) {
		u32 owner = READ_ONCE(lib_shared.owner);

		if (owner == own->id || (!owner && lib_replace(&lib_shared.owner, 0, own->id))) {
			lib_map_vmalloc(own);
			lib_disown(own, dead);
			lib_resume(own);
			break;
		}
		if (owner && owner <= LIB_MAX_CARRIERS) {
			lib_futex_wake(&lib_carriers[owner - 1].sleeping, 1);
			finish_owner(own, owner);
		}
		if (READ_ONCE(lib_shared.owner) != owner)
			continue;
		/* The owner may give the CPU to somebody dead, or die itself: look now and then. */
		lib_futex_wait(&lib_shared.owner, owner, lib_host_clock() + NSEC_PER_MSEC);
		collect();
	}
	unwatch(dead);
}

/* The same by a task's call, without an undertaker: for a process that did not die with the CPU. */
long lib_disown_process(u32 pid)
{
	long count = 0;
	int i;

	for (i = 0; i < LIB_MAX_CARRIERS; i++) {
		struct lib_carrier *dead = &lib_carriers[i];

		if (!READ_ONCE(dead->used) || dead->pid != pid || dead == lib_shared.carrier)
			continue;
		lib_disown_task(dead);
		unwatch(dead);
		count++;
	}
	/* One of them may have died between freeing the CPU and telling so. */
	lib_futex_wake(&lib_shared.owner, INT_MAX);
	return count;
}

static void bury_all_of(struct lib_carrier *own, u32 tid)
{
	int i;

	for (i = 0; i < LIB_MAX_CARRIERS; i++)
		if (READ_ONCE(lib_carriers[i].used) && lib_carriers[i].tid == tid && lib_carriers[i].watch == LIB_WATCHED)
			bury(own, &lib_carriers[i]);
}

/* A thread that cannot be traced as it has exited already, or as we may not? */
static bool has_exited(u32 tid)
{
	struct { s32 fd; s16 events, revents; } poll = { .events = 1 /* POLLIN */ };
	long fd = lib_host(HOST_PIDFD_OPEN, tid, 0, 0, 0, 0, 0);

	if (fd < 0)
		return fd == -ESRCH;
	poll.fd = fd;
	lib_host(HOST_POLL, (long)&poll, 1, 0, 0, 0, 0);
	lib_host(HOST_CLOSE, fd, 0, 0, 0, 0, 0);
	return poll.revents;
}

static void watch_new_ones(struct lib_carrier *own)
{
	int i;

	for (i = 0; i < LIB_MAX_CARRIERS; i++) {
		struct lib_carrier *one = &lib_carriers[i];
		long error;

		if (READ_ONCE(one->watch) != LIB_WATCH_WANTED)
			continue;
		error = lib_host(HOST_PTRACE, PTRACE_SEIZE, one->tid, 0, PTRACE_O_TRACEEXIT, 0, 0);
		if (error && !has_exited(one->tid)) {
			lib_swap(&one->watch, LIB_WATCH_REFUSED);
			lib_futex_wake(&one->watch, 1);
			continue;
		}
		lib_swap(&one->watch, LIB_WATCHED);
		lib_futex_wake(&one->watch, 1);
		if (error) {
			bury_all_of(own, one->tid);
			lib_shared.deaths++;
		}
	}
}

/* Takes in what has stopped. Those on their way out stay stopped until they are buried. */
static void collect(void)
{
	while (dying_count < MAX_DYING) {
		struct dying *one = &dying[dying_count];
		int status = 0;
		long tid = lib_host(HOST_WAIT4, -1, (long)&status, WNOHANG_WALL, 0, 0, 0);
		int signal = status >> 8 & 0xff, event = status >> 16;

		if (tid <= 0)
			return;
		if ((status & 0xff) != 0x7f)
			continue; /* quite gone; it has been here before */
		if (event == PTRACE_EVENT_EXIT) {
			one->tid = tid;
			one->known = lib_host(HOST_PTRACE, HOST_PTRACE_GETREGS, tid, 0, (long)one->registers, 0, 0) == 0;
			dying_count++;
			continue;
		}
		if (event == PTRACE_EVENT_STOP) {
			if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU) {
				lib_host(HOST_PTRACE, PTRACE_LISTEN, tid, 0, 0, 0, 0);
				continue;
			}
			signal = 0;
		}
		lib_host(HOST_PTRACE, PTRACE_CONT, tid, 0, signal, 0, 0);
	}
}

static void bury_the_dying(struct lib_carrier *own)
{
	unsigned int i;

	collect();
	for (i = 0; i < dying_count; i++) {
		bury_all_of(own, dying[i].tid);
		lib_shared.deaths++;
		lib_host(HOST_PTRACE, PTRACE_CONT, dying[i].tid, 0, 0, 0, 0);
	}
	dying_count = 0;
}

void lib_undertaker(struct lib_carrier *own);
void lib_undertaker(struct lib_carrier *own)
{
	/* A blocked fault ends the process; all else waits to be asked for. */
	const u64 blocked = ~(1UL << (SIGSEGV - 1) | 1UL << (SIGBUS - 1)), wanted = 1UL << (SIGCHLD - 1) | 1UL << (SIGUSR1 - 1);
	const struct { s64 seconds, nanoseconds; } wait = { 0, 100 * NSEC_PER_MSEC };
	long parent = lib_host(HOST_GETPPID, 0, 0, 0, 0, 0, 0);
	u64 action[4] = { (u64)lib_on_fault, 0x44000004 /* SA_NODEFER, SA_RESTORER, SA_SIGINFO */, (u64)lib_restorer, 0 };

	lib_host(HOST_RT_SIGACTION, SIGSEGV, (long)action, 0, 8, 0, 0);
	lib_host(HOST_RT_SIGACTION, SIGBUS, (long)action, 0, 8, 0, 0);
	lib_host(HOST_RT_SIGPROCMASK, 0 /* SIG_BLOCK */, (long)&blocked, 0, 8, 0, 0);
	lib_host(HOST_MUNMAP, 0x1000, LIB_KERNEL_START - 0x1000, 0, 0, 0, 0);
	lib_host(HOST_MUNMAP, LIB_END, HOST_USER_END - LIB_END, 0, 0, 0, 0);
	lib_swap(&lib_shared.undertaker, own->pid);
	lib_futex_wake(&lib_shared.undertaker, 1);

	while (READ_ONCE(lib_shared.state) < LIB_HALTED) {
		watch_new_ones(own);
		bury_the_dying(own);
		if (lib_host(HOST_GETPPID, 0, 0, 0, 0, 0, 0) != parent)
			lib_tell_end(LIB_DEAD, own->id); /* the kernel's own process is gone, and with it its timer and devices */
		lib_host(HOST_RT_SIGTIMEDWAIT, (long)&wanted, 0, (long)&wait, 8, 0, 0);
	}
	lib_host(HOST_EXIT, 0, 0, 0, 0, 0, 0);
}
