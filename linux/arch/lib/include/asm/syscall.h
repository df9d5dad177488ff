/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_SYSCALL_H
#define _ASM_LIB_SYSCALL_H

#include <linux/sched.h>
#include <asm/ptrace.h>
#include <uapi/linux/audit.h>

typedef long (*lib_call)(unsigned long, unsigned long, unsigned long, unsigned long, unsigned long, unsigned long);
extern const lib_call lib_call_table[];

static inline int syscall_get_nr(struct task_struct *task, struct pt_regs *regs) { return regs->orig_ax; }
static inline void syscall_rollback(struct task_struct *task, struct pt_regs *regs) { regs->ax = regs->orig_ax; }
static inline long syscall_get_error(struct task_struct *task, struct pt_regs *regs)
{
	return IS_ERR_VALUE(regs->ax) ? regs->ax : 0;
}
static inline long syscall_get_return_value(struct task_struct *task, struct pt_regs *regs) { return regs->ax; }
static inline void syscall_set_return_value(struct task_struct *task, struct pt_regs *regs, int error, long val)
{
	regs->ax = error ?: val;
}
static inline void syscall_get_arguments(struct task_struct *task, struct pt_regs *regs, unsigned long *args)
{
	memcpy(args, &regs->di, 6 * sizeof(*args));
}
static inline int syscall_get_arch(struct task_struct *task) { return AUDIT_ARCH_X86_64; }

#endif
