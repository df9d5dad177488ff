// SPDX-License-Identifier: GPL-2.0
/*
 * The one CPU as a lock that host threads (carriers) take, pass on and drop. Everything here that waits runs on the
 * carrier's own stack: a kernel stack may be resumed by somebody else at any time.
 */
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <asm/lib.h>
#include <asm/processor.h>

struct lib_shared lib_shared = { .deadline = U64_MAX };
struct lib_boot lib_boot;
struct task_struct *lib_current = &init_task;
int lib_memory_of = LIB_MEMORY_NONE;

struct lib_carrier lib_carriers[LIB_MAX_CARRIERS];

/* Nobody has this id: a CPU that it holds is never free again. */
#define OWNER_NOBODY 0xffffffff

#define SPINS 200

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
	int i, result = 0;

	for (i = 0; i < SPINS; i++) {
		if (!READ_ONCE(*owner) && lib_replace(owner, 0, carrier->id))
			return 0;
		cpu_relax();
	}
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
 * is done or it has none.
 */
static int park(struct lib_carrier *carrier)
{
	int i;

	if (carrier->leaving || !carrier->task) {
		carrier->leaving = 0;
		return 0;
	}
	for (i = 0; i < SPINS && READ_ONCE(carrier->wake) != 1; i++)
		cpu_relax();
	while (READ_ONCE(carrier->wake) != 1) {
		if (READ_ONCE(lib_shared.state) >= LIB_HALTED) {
			ended(carrier);
			return 0;
		}
		if (lib_replace(&carrier->wake, 0, 2))
			lib_futex_wait(&carrier->wake, 2, U64_MAX);
		lib_replace(&carrier->wake, 2, 0);
	}
	WRITE_ONCE(carrier->wake, 0);
	if (READ_ONCE(lib_shared.state) >= LIB_HALTED) {
		ended(carrier);
		return 0;
	}
	lib_shared.carrier = carrier;
	lib_map_vmalloc(carrier);
	return 1;
}

/* `to` owns the CPU from here on; `from` waits for its turn, or leaves. */
int lib_hand_over(struct lib_carrier *to, struct lib_carrier *from);
int lib_hand_over(struct lib_carrier *to, struct lib_carrier *from)
{
	int stays = !from->leaving && from->task;

	WRITE_ONCE(lib_shared.owner, to->id);
	if (lib_swap(&to->wake, 1) == 2)
		lib_futex_wake(&to->wake, 1);
	if (!stays) {
		from->leaving = 0;
		return 0;
	}
	return park(from);
}

int lib_free_cpu(struct lib_carrier *from);
int lib_free_cpu(struct lib_carrier *from)
{
	int stays = !from->leaving && from->task;

	lib_drop_cpu();
	if (!stays) {
		from->leaving = 0;
		return 0;
	}
	return park(from);
}

/*
 * The kernel is over, halted or dead: everybody who waits for the CPU, for the timer or for a device finds out, and
 * nobody gets in again. Called with the CPU held.
 */
void lib_ended(u32 state)
{
	struct lib_carrier *carrier = lib_shared.carrier;
	int i;

	WRITE_ONCE(lib_shared.owner, OWNER_NOBODY);
	lib_swap(&lib_shared.state, state);
	lib_futex_wake(&lib_shared.state, INT_MAX);
	lib_futex_wake(&lib_shared.owner, INT_MAX);
	lib_ring_bell();
	for (i = 0; i < LIB_MAX_CARRIERS; i++)
		if (lib_carriers[i].inside && lib_swap(&lib_carriers[i].wake, 1) == 2)
			lib_futex_wake(&lib_carriers[i].wake, 1);
	ended(carrier);
	carrier->leaving = 0;
	lib_abandon();
}
