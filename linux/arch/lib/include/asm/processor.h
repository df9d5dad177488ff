/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_PROCESSOR_H
#define _ASM_LIB_PROCESSOR_H

#include <linux/linkage.h>
#include <asm/page.h>

#define TASK_SIZE 0x7ffffffff000UL
#define TASK_SIZE_MAX TASK_SIZE
#define STACK_TOP LIB_ARGUMENTS_END
#define STACK_TOP_MAX STACK_TOP
#define TASK_UNMAPPED_BASE PAGE_ALIGN(TASK_SIZE / 3)

#ifndef __ASSEMBLY__

struct task_struct;
struct pt_regs;
struct lib_carrier;

/* How much of its process's time the host has told of. */
struct lib_cpu_time {
	u64 total, user; /* nanoseconds */
	u32 pid;         /* the host's process */
};

/* A task has a frame on its kernel stack unless it is current while the CPU is free: then it is outside. */
struct thread_struct {
	unsigned long sp;
	struct lib_carrier *carrier; /* the host thread it must run on; NULL: any */
	struct lib_carrier *home;    /* the one that makes its calls; NULL: none is bound */
	u8 outside;                  /* it is between two calls, in sleep_outside() */
	u8 called;                   /* its next call is in its registers */
	u8 kicked;                   /* its host thread has been told of what is pending */
	u8 exec_secure;              /* of its last exec: set-user-id or the like, */
	u32 exec_argc, exec_envc;    /* how many strings */
	unsigned long exec_end;      /* and where they end */
	struct lib_cpu_time cpu_time; /* of the leader: its process's */
};

#define INIT_THREAD { .sp = 0 }

#define cpu_relax() asm volatile("pause" ::: "memory")
#define KSTK_EIP(task) (task_pt_regs(task)->ip)
#define KSTK_ESP(task) (task_pt_regs(task)->sp)
#define task_pt_regs(task) \
	((struct pt_regs *)((unsigned long)task_stack_page(task) + THREAD_SIZE - 16) - 1)

static inline void start_thread(struct pt_regs *regs, unsigned long ip, unsigned long sp) {}
extern unsigned long __get_wchan(struct task_struct *task);

#endif
#endif
