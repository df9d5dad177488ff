// SPDX-License-Identifier: GPL-2.0
/* Interrupts: bits that anyone may set, run by whoever has the CPU, or else by the interrupt thread. */
#include <linux/hardirq.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/kernel_stat.h>
#include <linux/seq_file.h>
#include <asm/irq_regs.h>
#include <asm/lib.h>
#include <asm/ptrace.h>
#include <linux/sched.h>

unsigned long lib_irqs_off = 1;
u64 lib_pending;
u64 lib_interrupts;
u64 lib_sleeps_until; /* of the interrupt thread; 0: it is awake */

static struct pt_regs in_kernel, in_user = { .user = 1 };

/* From any host thread, inside or outside the kernel. */
void lib_interrupt(u32 number)
{
	lib_or64(&lib_pending, 1UL << number);
	lib_ring_bell();
}

void lib_ring_bell(void)
{
	lib_add(&lib_shared.bell, 1);
	if (READ_ONCE(lib_shared.bell_sleeping))
		lib_futex_wake(&lib_shared.bell, 1);
}

/* With the CPU held, interrupts open and the next one pending. */
void lib_run_interrupts(void)
{
	bool user = current->thread.outside;
	struct pt_regs *old;
	u64 pending;

	if (lib_shared.carrier && in_hardirq())
		return; /* nested opening: the outer loop looks again */
	raw_local_irq_disable();
	trace_hardirqs_off(); /* for lockdep, whom nobody else tells */
	while ((pending = lib_swap64(&lib_pending, 0))) {
		old = set_irq_regs(user ? &in_user : &in_kernel);
		irq_enter();
		for (; pending; pending &= pending - 1) {
			unsigned int number = __ffs64(pending);

			lib_interrupts++;
			if (number == LIB_INTERRUPT_TIMER)
				lib_timer_expired();
			else if (number == LIB_INTERRUPT_COUNT)
				lib_count();
			else
				generic_handle_irq(number);
		}
		irq_exit();
		set_irq_regs(old);
	}
	trace_hardirqs_on();
	lib_irqs_off = 0;
}

static void no_chip(struct irq_data *data) {}

static struct irq_chip chip = {
	.name = "lib",
	.irq_mask = no_chip,
	.irq_unmask = no_chip,
	.irq_ack = no_chip,
};

void __init init_IRQ(void)
{
	int i;

	for (i = 0; i < NR_IRQS; i++)
		irq_set_chip_and_handler(i, &chip, handle_edge_irq);
}

int arch_show_interrupts(struct seq_file *p, int precision)
{
	return 0;
}

/*
 * The interrupt thread: it boots the kernel, and then serves the timer and what devices raise while nobody is inside.
 * It comes back when the kernel has ended.
 */
void lib_run(struct lib_carrier *carrier)
{
	struct lib_shared *shared = &lib_shared;

	if (lib_take_cpu(carrier))
		return;
	lib_boot_on(carrier);
	while (READ_ONCE(shared->state) < LIB_HALTED) {
		u32 bell = READ_ONCE(shared->bell);
		u64 deadline = READ_ONCE(shared->deadline);

		if (deadline <= lib_now())
			lib_or64(&lib_pending, 1UL << LIB_INTERRUPT_TIMER);
		if (READ_ONCE(lib_pending)) {
			if (lib_take_cpu(carrier))
				break;
			lib_map_vmalloc(carrier);
			if (READ_ONCE(lib_pending))
				lib_resume(carrier);
			else
				lib_drop_cpu();
			continue;
		}
		WRITE_ONCE(lib_sleeps_until, deadline);
		lib_swap(&shared->bell_sleeping, 1); /* before the deadline is looked at */
		if (READ_ONCE(shared->deadline) >= deadline && READ_ONCE(shared->state) < LIB_HALTED)
			lib_futex_wait(&shared->bell, bell, deadline);
		lib_swap(&shared->bell_sleeping, 0);
		WRITE_ONCE(lib_sleeps_until, 0);
	}
}
