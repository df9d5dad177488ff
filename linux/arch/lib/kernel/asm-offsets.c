// SPDX-License-Identifier: GPL-2.0
#define COMPILE_OFFSETS
#include <linux/kbuild.h>
#include <linux/sched.h>
#include <linux/sched/cputime.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <lib_abi.h>
#include "../../../kernel/sched/sched.h"

int main(void)
{
	OFFSET(TASK_FLAGS, task_struct, thread_info.flags);
	OFFSET(TASK_SP, task_struct, thread.sp);
	OFFSET(TASK_CARRIER, task_struct, thread.carrier);
	OFFSET(TASK_STACK, task_struct, stack);
	OFFSET(REGS_AX, pt_regs, ax);
	OFFSET(REGS_NR, pt_regs, orig_ax);
	OFFSET(REGS_A, pt_regs, di);
	OFFSET(REGS_B, pt_regs, si);
	OFFSET(REGS_C, pt_regs, dx);
	OFFSET(REGS_D, pt_regs, r10);
	OFFSET(REGS_E, pt_regs, r8);
	OFFSET(REGS_F, pt_regs, r9);
	DEFINE(REGS_SIZE, sizeof(struct pt_regs));
	OFFSET(CARRIER_HOST_SP, lib_carrier, host_sp);
	OFFSET(CARRIER_STACK, lib_carrier, stack);
	OFFSET(CARRIER_ID, lib_carrier, id);
	OFFSET(CARRIER_MEMORY, lib_carrier, memory);
	OFFSET(CARRIER_PARKED, lib_carrier, parked);
	OFFSET(CARRIER_RESULT, lib_carrier, result);
	OFFSET(CARRIER_VMALLOC, lib_carrier, vmalloc_generation);
	OFFSET(SHARED_OWNER, lib_shared, owner);
	OFFSET(SHARED_WAITERS, lib_shared, waiters);
	OFFSET(SHARED_CARRIER, lib_shared, carrier);
	OFFSET(SHARED_PREVIOUS, lib_shared, previous);
	OFFSET(SHARED_VMALLOC, lib_shared, vmalloc_generation);
	OFFSET(SHARED_FENCE, lib_shared, strong_fence);
	OFFSET(SHARED_CALLS, lib_shared, calls);
	OFFSET(RQ_RUNNING, rq, nr_running);
	return 0;
}
