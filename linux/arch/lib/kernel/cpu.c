// SPDX-License-Identifier: GPL-2.0
/*
 * The one CPU as a lock that host threads (carriers) take, pass on and drop. Everything here that waits runs on the
 * carrier's own stack: a kernel stack may be resumed by somebody else at any time.
 */
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/time64.h>
#include <asm/lib.h>
#include <asm/processor.h>

struct lib_shared lib_shared = { .deadline = U64_MAX };
struct lib_boot lib_boot;
struct task_struct *lib_current = &init_task;
int lib_memory_of = LIB_MEMORY_NONE;

struct lib_carrier lib_carriers[LIB_MAX_CARRIERS];

/* Nobody has this id: a CPU that it holds is never free again. */
#define OWNER_NOBODY 0xffffffff

/*
 * Before it sleeps, a carrier looks for a while whether what it waits for comes from another host CPU: for as long as the
 * host takes to wake somebody, or two that answer each other would both sleep each time. On the same CPU looking only keeps
 * the other from running, so after some misses in a row it is tried but now and then.
 */
#define SPINS 1500
#define MISSES 4
#define TRY_AGAIN 64

static bool spin_until(struct lib_carrier *carrier, bool (*came)(struct lib_carrier *))
{
	int i;

	if (carrier->misses >= MISSES && ++carrier->misses % TRY_AGAIN)
		return false;
	for (i = 0; i < SPINS; i++) {
		if (came(carrier)) {
			carrier->misses = 0;
			return true;
		}
		cpu_relax();
	}
	if (carrier->misses < MISSES)
		carrier->misses++;
	return false;
}

static bool took(struct lib_carrier *carrier)
{
	return !READ_ONCE(lib_shared.owner) && lib_replace(&lib_shared.owner, 0, carrier->id);
}

static bool was_given(struct lib_carrier *carrier)
{
	return READ_ONCE(lib_shared.owner) == carrier->id;
}

static int ended(struct lib_carrier *carrier)
{
	carrier->result = -EIO;
	carrier->status = LIB_GONE;
	return 1;
}

/* 0: the CPU is the carrier's. */
int lib_take_cpu(struct lib_carrier *carrier)
{
	u32 *owner = &lib_shared.owner;
	int result = 0;

	if (took(carrier) || spin_until(carrier, took))
		return 0;
	WRITE_ONCE(carrier->waiting, 1);
	lib_add(&lib_shared.waiters, 1);
	lib_host_fence();
	for (;;) {
		u32 seen = READ_ONCE(*owner);

		if (READ_ONCE(lib_shared.state) >= LIB_HALTED) {
			result = ended(carrier);
			break;
		}
		if (!seen) {
			if (lib_replace(owner, 0, carrier->id))
				break;
			continue;
		}
		lib_futex_wait(owner, seen, U64_MAX);
	}
	lib_add(&lib_shared.waiters, -1);
	WRITE_ONCE(carrier->waiting, 0);
	return result;
}

/*
 * Two that call all the time would pass the CPU to and fro with each call, each time with a switch of tasks and with all
 * that the kernel touches in the wrong cache. So who finds it held takes it between two calls of another's only if nobody
 * has done so for the length of a turn. Till then he waits for its user to go and compute, or sleep.
 */
#define TURN (100 * NSEC_PER_USEC)
#define TURNS 4   /* others may have had in between */
#define PAUSES 50 /* between two looks: a us, as each look takes the cache line from its user */
#define SHORT 8   /* between the first of them: two that answer each other meet where one is on its way out */
#define LOOKS 15  /* at one and the same call, before it counts as long */

/* true: its user has left the CPU, which is the carrier's now; false: it is his turn, or waiting does not help. */
static bool waited_for_turn(struct lib_carrier *carrier)
{
	u64 limit = lib_now() + TURNS * TURN;
	u32 calls = READ_ONCE(lib_shared.calls);
	bool first = true;
	int looks = 0;

	while (looks < LOOKS && carrier->misses < MISSES) {
		u64 now = lib_now();
		u32 seen;
		int i;

		if (now - READ_ONCE(lib_shared.turn) >= TURN || now > limit)
			return false;
		for (i = 1; i <= PAUSES; i++) {
			cpu_relax();
			if (first && i % SHORT == 0 && READ_ONCE(lib_shared.calls) == READ_ONCE(lib_shared.quiet) &&
			    took(carrier))
				return true;
		}
		first = false;
		seen = READ_ONCE(lib_shared.calls);
		if (seen != calls)
			looks = 0;
		else if (took(carrier))
			return true;
		else
			looks++;
		calls = seen;
	}
	return false;
}

/* As lib_take_cpu(), for a call that found it held. */
int lib_take_cpu_in_turn(struct lib_carrier *carrier);
int lib_take_cpu_in_turn(struct lib_carrier *carrier)
{
	int result;

	if (waited_for_turn(carrier))
		return 0;
	result = lib_take_cpu(carrier);
	WRITE_ONCE(lib_shared.turn, lib_now());
	return result;
}

void lib_wake_waiter(void);
void lib_wake_waiter(void)
{
	lib_futex_wake(&lib_shared.owner, 1);
}

void lib_drop_cpu(void)
{
	lib_swap(&lib_shared.owner, 0);
	if (READ_ONCE(lib_shared.waiters))
		lib_wake_waiter();
}

/*
 * The carrier no longer has the CPU. 1: it was given back, for its task; 0: it is to go back to its caller, as its call
 * is done or it has none. That the CPU was given shows in `owner` alone, so that neither a wake too many nor a giver that
 * dies between two steps does harm.
 */
static int park(struct lib_carrier *carrier)
{
	u32 *relief = (u32 *)READ_ONCE(carrier->relief);

	if (relief) {
		lib_add(relief, 1);
		lib_futex_wake(relief, 1);
	}
	if (!was_given(carrier))
		spin_until(carrier, was_given);
	while (!was_given(carrier)) {
		if (READ_ONCE(lib_shared.state) >= LIB_HALTED) {
			carrier->parked = 0;
			ended(carrier);
			return 0;
		}
		lib_swap(&carrier->sleeping, 1);
		if (!was_given(carrier))
			lib_futex_wait(&carrier->sleeping, 1, U64_MAX);
		WRITE_ONCE(carrier->sleeping, 0);
	}
	lib_shared.carrier = carrier;
	lib_map_vmalloc(carrier);
	return 1;
}

/* Whether the carrier is to come back for its task; looked up while it still has the CPU. */
static bool stays(struct lib_carrier *carrier)
{
	bool yes = !carrier->leaving && carrier->task;

	carrier->leaving = 0;
	if (!yes)
		carrier->parked = 0;
	return yes;
}

void lib_give_cpu(struct lib_carrier *to)
{
	lib_shared.quiet = lib_shared.calls;
	lib_swap(&lib_shared.owner, to->id);
	/* Taken back, so that one who has counted himself sleeping and looked, but does not sleep yet, will not. */
	if (READ_ONCE(to->sleeping) && lib_swap(&to->sleeping, 0))
		lib_futex_wake(&to->sleeping, 1);
}

/* `to` owns the CPU from here on; `from` waits for its turn, or leaves. */
int lib_hand_over(struct lib_carrier *to, struct lib_carrier *from);
int lib_hand_over(struct lib_carrier *to, struct lib_carrier *from)
{
	bool wait = stays(from);

	lib_give_cpu(to);
	return wait ? park(from) : 0;
}

int lib_free_cpu(struct lib_carrier *from);
int lib_free_cpu(struct lib_carrier *from)
{
	bool wait = stays(from);

	if (wait)
		lib_shared.quiet = lib_shared.calls;
	lib_drop_cpu();
	return wait ? park(from) : 0;
}

/*
 * Everybody who waits for the CPU, for the timer or for a device finds out that the kernel is over. If it is not the
 * caller who has the CPU, whoever does may drop it first, within a second: dropping it later would free it once more.
 */
void lib_tell_end(u32 state, u32 caller)
{
	u64 limit = lib_host_clock() + NSEC_PER_SEC;
	int i;

	lib_swap(&lib_shared.state, state);
	while (READ_ONCE(lib_shared.owner) != caller && !lib_replace(&lib_shared.owner, 0, OWNER_NOBODY) &&
	       lib_host_clock() < limit)
		cpu_relax();
	lib_swap(&lib_shared.owner, OWNER_NOBODY);
	lib_futex_wake(&lib_shared.state, INT_MAX);
	lib_futex_wake(&lib_shared.owner, INT_MAX);
	lib_ring_bell();
	for (i = 0; i < LIB_MAX_CARRIERS; i++)
		if (READ_ONCE(lib_carriers[i].used))
			lib_futex_wake(&lib_carriers[i].sleeping, 1);
}

/* The kernel is over, halted or dead, and nobody gets in again. With the CPU held. */
void lib_ended(u32 state)
{
	struct lib_carrier *carrier = lib_shared.carrier;

	lib_tell_end(state, carrier->id);
	ended(carrier);
	carrier->leaving = 0;
	carrier->parked = 0;
	lib_abandon();
}
