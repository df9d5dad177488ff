// SPDX-License-Identifier: GPL-2.0
/* Time is the host's: its monotonic clock, computed from the time-stamp counter, and one timer that the interrupt
 * thread watches. */
#include <linux/clockchips.h>
#include <linux/clocksource.h>
#include <linux/delay.h>
#include <linux/sched/clock.h>
#include <linux/sched_clock.h>
#include <linux/timekeeping.h>
#include <asm/lib.h>

u64 notrace lib_now(void)
{
	const struct lib_boot *boot = &lib_boot;

	if (unlikely(!boot->tsc_multiplier))
		return lib_host_clock();
	return boot->tsc_nanoseconds +
	       (u64)(((unsigned __int128)(get_cycles() - boot->tsc_base) * boot->tsc_multiplier) >> 32);
}

unsigned long long notrace sched_clock(void)
{
	return lib_now() - lib_boot.tsc_nanoseconds;
}

static u64 notrace read_clock(struct clocksource *source)
{
	return lib_now();
}

#define CLOCK_SHIFT 22 /* so that half an hour fits between two looks at it */
static struct clocksource clock = {
	.name = "host",
	.rating = 400,
	.read = read_clock,
	.mask = CLOCKSOURCE_MASK(64),
	.mult = 1 << CLOCK_SHIFT,
	.shift = CLOCK_SHIFT,
	.flags = CLOCK_SOURCE_IS_CONTINUOUS,
};

/*
 * The interrupt thread sleeps until the deadline that it saw last; only an earlier one needs to wake it. While there is
 * work, ticks come and go: it then wakes once a tick, not each time that one is asked for.
 */
static int set_next_event(unsigned long delta, struct clock_event_device *device)
{
	u64 deadline = lib_now() + delta;

	lib_swap64(&lib_shared.deadline, deadline); /* before its sleep is looked at */
	if (deadline < READ_ONCE(lib_sleeps_until))
		lib_ring_bell();
	return 0;
}

static int shut_down(struct clock_event_device *device)
{
	WRITE_ONCE(lib_shared.deadline, U64_MAX);
	return 0;
}

static struct clock_event_device timer = {
	.name = "host",
	.features = CLOCK_EVT_FEAT_ONESHOT,
	.rating = 400,
	.set_next_event = set_next_event,
	.set_state_shutdown = shut_down,
	.set_state_oneshot = shut_down,
};

void lib_timer_expired(void)
{
	if (READ_ONCE(lib_shared.deadline) > lib_now())
		return; /* set anew since it was seen to be over */
	WRITE_ONCE(lib_shared.deadline, U64_MAX);
	timer.event_handler(&timer);
}

/* From the first moment on: a clock of ticks would lose what passes until it is replaced. */
struct clocksource * __init clocksource_default_clock(void)
{
	return &clock;
}

void read_persistent_clock64(struct timespec64 *now)
{
	*now = ns_to_timespec64(lib_now() + lib_boot.real_offset);
}

/* CLOCK_MONOTONIC counts as the host's does: programs read that in the vdso, and sleep here until a time of theirs. */
void __init read_persistent_wall_and_boot_offset(struct timespec64 *wall, struct timespec64 *boot)
{
	u64 now = lib_now();

	*wall = ns_to_timespec64(now + lib_boot.real_offset);
	*boot = ns_to_timespec64(now);
}

void __init time_init(void)
{
	timer.cpumask = cpumask_of(0);
	__clocksource_register(&clock);
	clockevents_config_and_register(&timer, NSEC_PER_SEC, 1000, LONG_MAX);
}

void __delay(unsigned long nanoseconds)
{
	u64 end = lib_now() + nanoseconds;

	while (lib_now() < end)
		cpu_relax();
}

void __udelay(unsigned long microseconds)
{
	__delay(microseconds * NSEC_PER_USEC);
}

void __ndelay(unsigned long nanoseconds)
{
	__delay(nanoseconds);
}

void __const_udelay(unsigned long loops)
{
	__delay(loops * NSEC_PER_USEC / 0x10c7);
}
