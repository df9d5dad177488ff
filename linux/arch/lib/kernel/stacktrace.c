// SPDX-License-Identifier: GPL-2.0
/*
 * Stack traces by looking: every word on the task's kernel stack that is an address in the text. There are no frame
 * pointers (they cost what a short call cannot pay), so a trace may name a function too many, never one too few.
 */
#include <linux/kallsyms.h>
#include <linux/sched/debug.h>
#include <linux/sched/task_stack.h>
#include <linux/stacktrace.h>
#include <asm/ptrace.h>
#include <asm/sections.h>

static void walk(struct task_struct *task, bool (*visit)(void *, unsigned long), void *cookie)
{
	unsigned long low = (unsigned long)task_stack_page(task), high = low + THREAD_SIZE;
	unsigned long here = (unsigned long)__builtin_frame_address(0);
	unsigned long *at = (unsigned long *)(task == current ? here : task->thread.sp);

	if ((unsigned long)at < low)
		at = (unsigned long *)low; /* not on its own stack: the service stack, or the boot's */
	for (; (unsigned long)at < high; at++)
		if (*at >= (unsigned long)_stext && *at < (unsigned long)_etext && !visit(cookie, *at))
			break;
}

#ifdef CONFIG_STACKTRACE
void arch_stack_walk(stack_trace_consume_fn consume, void *cookie, struct task_struct *task, struct pt_regs *regs)
{
	walk(task ?: current, consume, cookie);
}
#endif

static bool print(void *level, unsigned long address)
{
	printk("%s  %pS (_text+%lx)\n", (const char *)level, (void *)address, address - (unsigned long)_text);
	return true;
}

void show_stack(struct task_struct *task, unsigned long *stack, const char *level)
{
	printk("%sCall trace, by guess:\n", level);
	walk(task ?: current, print, (void *)level);
}
