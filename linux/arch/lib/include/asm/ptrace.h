/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_PTRACE_H
#define _ASM_LIB_PTRACE_H

#include <uapi/asm/ptrace.h>

#ifndef __ASSEMBLY__
#include <linux/types.h>

/*
 * What is known of a task's user side: the system call that it made, and where it made it if the embedder says so.
 * It stands at the top of the kernel stack. Names as on x86.
 */
struct pt_regs {
	unsigned long ax; /* the call's result */
	unsigned long orig_ax;
	unsigned long di, si, dx, r10, r8, r9;
	unsigned long ip, sp, bp, flags;
	unsigned long user; /* set for frames that stand for user mode */
	unsigned long unused;
};

#define user_mode(regs) ((regs)->user != 0)
#define instruction_pointer(regs) ((regs)->ip)
#define user_stack_pointer(regs) ((regs)->sp)
#define kernel_stack_pointer(regs) ((regs)->sp)
#define profile_pc(regs) instruction_pointer(regs)
#define current_pt_regs() task_pt_regs(current)
#define current_user_stack_pointer() (current_pt_regs()->sp)
#define arch_has_single_step() (0)

static inline unsigned long regs_return_value(struct pt_regs *regs) { return regs->ax; }
static inline int is_syscall_success(struct pt_regs *regs) { return (long)regs->ax >= 0 || (long)regs->ax < -4095; }
#endif

#endif
