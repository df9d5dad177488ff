/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_IRQFLAGS_H
#define _ASM_LIB_IRQFLAGS_H

#ifndef __ASSEMBLY__

#include <linux/compiler.h>
#include <linux/types.h>

/*
 * Interrupts are a word of pending bits that devices and the timer set from outside. They run where the kernel opens
 * them again, at the end of a system call, and on a CPU that is free: never between two instructions.
 */
extern unsigned long lib_irqs_off;
extern u64 lib_pending; /* one bit each */
extern void lib_run_interrupts(void);

static __always_inline unsigned long arch_local_save_flags(void)
{
	return lib_irqs_off;
}

static __always_inline void arch_local_irq_disable(void)
{
	lib_irqs_off = 1;
	barrier();
}

static __always_inline void arch_local_irq_enable(void)
{
	barrier();
	lib_irqs_off = 0;
	if (unlikely(READ_ONCE(lib_pending)))
		lib_run_interrupts();
}

static __always_inline unsigned long arch_local_irq_save(void)
{
	unsigned long flags = lib_irqs_off;

	arch_local_irq_disable();
	return flags;
}

static __always_inline void arch_local_irq_restore(unsigned long flags)
{
	if (!flags)
		arch_local_irq_enable();
}

static __always_inline bool arch_irqs_disabled_flags(unsigned long flags)
{
	return flags;
}

static __always_inline bool arch_irqs_disabled(void)
{
	return lib_irqs_off;
}

#endif
#endif
