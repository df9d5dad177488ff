// SPDX-License-Identifier: GPL-2.0
/* Stack traces by frame pointers, as far as they lie on the task's own kernel stack. */
#include <linux/sched/debug.h>
#include <linux/sched/task_stack.h>
#include <linux/stacktrace.h>
#include <linux/kallsyms.h>
#include <asm/ptrace.h>
#include <asm/sections.h>

static void walk(struct task_struct *task, unsigned long frame, bool (*visit)(void *, unsigned long), void *cookie)
{
	unsigned long low = (unsigned long)task_stack_page(task), high = low + THREAD_SIZE;

	while (frame >= low && frame < high - 16 && !(frame & 7)) {
		unsigned long next = *(unsigned long *)frame, address = *(unsigned long *)(frame + 8);

		if (!address || !visit(cookie, address))
			break;
		if (next <= frame)
			break;
		frame = next;
	}
}

#ifdef CONFIG_STACKTRACE
void arch_stack_walk(stack_trace_consume_fn consume, void *cookie, struct task_struct *task, struct pt_regs *regs)
{
	unsigned long frame = (unsigned long)__builtin_frame_address(0);

	if (task && task != current)
		frame = ((unsigned long *)task->thread.sp)[4];
	walk(task ?: current, frame, consume, cookie);
}
#endif

static bool print(void *level, unsigned long address)
{
	printk("%s  %pS (_text+%lx)\n", (const char *)level, (void *)address, address - (unsigned long)_text);
	return true;
}

void show_stack(struct task_struct *task, unsigned long *stack, const char *level)
{
	unsigned long frame = (unsigned long)__builtin_frame_address(0);

	if (task && task != current)
		frame = ((unsigned long *)task->thread.sp)[4];
	printk("%sCall trace:\n", level);
	walk(task ?: current, frame, print, (void *)level);
}
