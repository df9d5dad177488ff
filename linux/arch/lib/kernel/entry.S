/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a host thread (a carrier) gets into the kernel, moves between kernel stacks, and gets out.
 *
 * The CPU is a lock. While it is free, `current` is either the idle task, whose context lies on its stack, or a task
 * that is outside: the last one to have made a call, whose kernel stack is empty. Whoever takes the lock goes on from
 * there. A task that sleeps has its context on its own stack, in memory that every process shares, and is resumed by
 * its own carrier; kernel threads and the idle task by any.
 */
#include <linux/init.h>
#include <linux/linkage.h>
#include <asm/asm-offsets.h>
#include <asm/thread_info.h>
#include <asm/unistd.h>
#include <lib_abi.h>

#define LIB_SERVICE_STACK 16384
#define LIB_UNDERTAKER_STACK 32768

.macro push_context
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
.endm
.macro pop_context
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
.endm

.bss
	.balign 4096
lib_service_stack:
	.skip LIB_SERVICE_STACK
lib_undertaker_stack:
	.skip LIB_UNDERTAKER_STACK

.text

/*
 * Where a fault on user memory goes on, with the registers and the stack of the instruction that faulted: lib_user_fault()
 * says whether at that one again.
 */
SYM_CODE_START(lib_after_fault)
	pushq $0 /* to go on at */
	pushfq
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %rbp
	movq %rsp, %rbp
	andq $-16, %rsp
	cld
	call lib_user_fault
	movq %rbp, %rsp
	movq %rax, 88(%rsp)
	popq %rbp
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rax
	popfq
	ret
SYM_CODE_END(lib_after_fault)

/*
 * s64 lib_enter(carrier, number, a, b, c, d, e, f): makes a system call as the carrier's task.
 * The short way: the CPU is free and the task was the last to leave it.
 */
SYM_CODE_START(lib_enter)
	push_context
	movq %rdi, %rbx
	movl CARRIER_ID(%rbx), %r10d
	xorl %eax, %eax
	lock cmpxchgl %r10d, lib_shared + SHARED_OWNER(%rip)
	jne .Lwait
.Llocked:
	incl lib_shared + SHARED_CALLS(%rip)
	movq lib_current(%rip), %rax
	movq 56(%rsp), %r10
	movq 64(%rsp), %r11
	cmpq %rbx, TASK_CARRIER(%rax)
	jne .Lanother
	movq CARRIER_VMALLOC(%rbx), %rax
	cmpq %rax, lib_shared + SHARED_VMALLOC(%rip)
	jne .Lanother
	movq %rbx, lib_shared + SHARED_CARRIER(%rip)
	movq %rsp, CARRIER_HOST_SP(%rbx)
	movq CARRIER_STACK(%rbx), %rsp
	movq %rsi, REGS_NR(%rsp)
	movq %rdx, REGS_A(%rsp)
	movq %rcx, REGS_B(%rsp)
	movq %r8, REGS_C(%rsp)
	movq %r9, REGS_D(%rsp)
	movq %r10, REGS_E(%rsp)
	movq %r11, REGS_F(%rsp)
.Ldispatch:
	cmpq $__NR_syscalls, %rsi
	jae .Lspecial
	leaq lib_call_table(%rip), %rax
	movq (%rax, %rsi, 8), %rax
	movq %rdx, %rdi
	movq %rcx, %rsi
	movq %r8, %rdx
	movq %r9, %rcx
	movq %r10, %r8
	movq %r11, %r9
	call *%rax
.Lreturn:
	movq lib_current(%rip), %rdx
	testq $_TIF_WORK, TASK_FLAGS(%rdx)
	jnz .Lwork
	cmpq $0, lib_pending(%rip)
	jne .Lwork
	cmpl $1, runqueues + RQ_RUNNING(%rip)
	jne .Lwork
.Lleave:
	movq lib_shared + SHARED_CARRIER(%rip), %rbx
	movq CARRIER_HOST_SP(%rbx), %rsp
	cmpl $0, lib_shared + SHARED_FENCE(%rip)
	jne .Lfence
	/* A waiter counts itself, then makes every CPU pass a barrier (membarrier), then looks again: no fence here. */
	movl $0, lib_shared + SHARED_OWNER(%rip)
.Lunlocked:
	cmpl $0, lib_shared + SHARED_WAITERS(%rip)
	jne .Lwaiters
.Lout:
	pop_context
	ret

.Lfence:
	xorl %edx, %edx
	xchgl %edx, lib_shared + SHARED_OWNER(%rip)
	jmp .Lunlocked
.Lwaiters:
	pushq %rax
	call lib_wake_waiter
	popq %rax
	jmp .Lout

.Lwork:
	movq %rax, REGS_AX(%rsp)
	movq %rsp, %rdi
	call lib_leaving /* 1: make the call in the registers; 0: leave */
	testl %eax, %eax
	jnz .Lredispatch
	movq REGS_AX(%rsp), %rax
	jmp .Lleave

/* The carrier's own task, outside till now, has a call in its registers. */
.Lredispatch:
	movq REGS_NR(%rsp), %rsi
	movq REGS_A(%rsp), %rdx
	movq REGS_B(%rsp), %rcx
	movq REGS_C(%rsp), %r8
	movq REGS_D(%rsp), %r9
	movq REGS_E(%rsp), %r10
	movq REGS_F(%rsp), %r11
	jmp .Ldispatch

.Lspecial:
	movq %rsp, %rdi
	call lib_special_call
	jmp .Lreturn

/* The call's words stand on the host's stack, in the order of struct pt_regs. */
.macro push_call
	pushq %r11
	pushq %r10
	pushq %r9
	pushq %r8
	pushq %rcx
	pushq %rdx
	pushq %rsi
.endm
.macro pop_call
	popq %rsi
	popq %rdx
	popq %rcx
	popq %r8
	popq %r9
	popq %r10
	popq %r11
.endm
.Lwait:
	push_call
	movq %rbx, %rdi
	call lib_take_cpu_in_turn /* 0: the CPU is ours; else the kernel has ended */
	pop_call
	testl %eax, %eax
	jz .Llocked
	movq CARRIER_RESULT(%rbx), %rax
	jmp .Lout

.Lanother:
	movq %rsp, CARRIER_HOST_SP(%rbx)
	push_call
	movq %rbx, %rdi
	movq %rsp, %rsi
	call lib_enter_slowly /* 0: nothing to do, the CPU is free again; 1: our task is current; 2: it waits to be */
	movq CARRIER_HOST_SP(%rbx), %rsp
	cmpl $1, %eax
	jb .Lresult
	movq CARRIER_STACK(%rbx), %rsp
	je .Lredispatch
/* Goes on where the CPU was left, after lib_arrived() has woken the task that the carrier brings, if any. */
.Lgo_on:
	movq lib_current(%rip), %rax
	leaq init_task(%rip), %rdx
	cmpq %rax, %rdx
	jne .Lfrom_outside
	movq TASK_SP(%rax), %rsp
	call lib_arrived
	pop_context
	ret
.Lfrom_outside:
	movq TASK_STACK(%rax), %rsp
	addq $(THREAD_SIZE - 16 - REGS_SIZE), %rsp
	call lib_displace /* comes back when that task makes its next call, on its carrier */
	jmp .Lredispatch
.Lresult:
	movq CARRIER_RESULT(%rbx), %rax
	jmp .Lout
SYM_CODE_END(lib_enter)

/* void lib_resume(carrier): the interrupt thread, holding the CPU, goes on where it was left. */
SYM_CODE_START(lib_resume)
	push_context
	movq %rdi, %rbx
	movq %rbx, lib_shared + SHARED_CARRIER(%rip)
	movq %rsp, CARRIER_HOST_SP(%rbx)
	jmp .Lgo_on
SYM_CODE_END(lib_resume)

/* struct task_struct *__switch_to(previous, next) */
SYM_CODE_START(__switch_to)
	push_context
	movq %rsp, TASK_SP(%rdi)
	movq %rsi, lib_current(%rip)
	movq %rdi, lib_shared + SHARED_PREVIOUS(%rip)
	movq TASK_CARRIER(%rsi), %rax
	testq %rax, %rax
	jz .Lnobody
	movl CARRIER_MEMORY(%rax), %edx
	movl %edx, lib_memory_of(%rip)
	movq lib_shared + SHARED_CARRIER(%rip), %rbx
	cmpq %rax, %rbx
	jne .Lhand_over
.Lrun:
	movq lib_current(%rip), %rsi
	movq TASK_SP(%rsi), %rsp
	movl $0, CARRIER_PARKED(%rbx)
	movq lib_shared + SHARED_PREVIOUS(%rip), %rax
	pop_context
	ret
.Lnobody:
	movl $LIB_MEMORY_NONE, lib_memory_of(%rip)
	movq lib_shared + SHARED_CARRIER(%rip), %rbx
	jmp .Lrun

/* Another carrier must go on. Only off the kernel's stacks may it be told so. */
.Lhand_over:
	movl $1, CARRIER_PARKED(%rbx)
	movq CARRIER_HOST_SP(%rbx), %rsp
	movq %rax, %rdi
	movq %rbx, %rsi
	call lib_hand_over
.Lparked: /* 1: the CPU was given to us, for our task; 0: back to the caller */
	testl %eax, %eax
	jnz .Lrun
	movq CARRIER_RESULT(%rbx), %rax
	pop_context
	ret
SYM_CODE_END(__switch_to)

/* void lib_idle(void): in the idle task, gives the CPU up; comes back on whatever carrier takes it next. */
SYM_CODE_START(lib_idle)
	push_context
	movq lib_current(%rip), %rax
	movq %rsp, TASK_SP(%rax)
	movq lib_shared + SHARED_CARRIER(%rip), %rbx
	movl $1, CARRIER_PARKED(%rbx)
	movq CARRIER_HOST_SP(%rbx), %rsp
	movq %rbx, %rdi
	call lib_free_cpu
	jmp .Lparked
SYM_CODE_END(lib_idle)

/*
 * s64 lib_serve(function, carrier, argument): function(argument) with the CPU held, on a stack that survives this process:
 * the undertaker could go on with it.
 */
SYM_CODE_START(lib_serve)
	push_context
	movq %rsi, %rbx
	movq %rbx, lib_shared + SHARED_CARRIER(%rip)
	movq %rsp, CARRIER_HOST_SP(%rbx)
	leaq lib_service_stack + LIB_SERVICE_STACK(%rip), %rsp
	movq %rdi, %rax
	movq %rdx, %rdi
	call *%rax
	movq lib_shared + SHARED_CARRIER(%rip), %rbx
	movq CARRIER_HOST_SP(%rbx), %rsp
	pop_context
	ret
SYM_CODE_END(lib_serve)

/*
 * void lib_take_over(carrier, registers): the undertaker goes on with what a dead thread did, from its registers (struct
 * user_regs_struct). Comes back when the CPU was dropped or given away, or what lib_serve() ran has ended.
 */
SYM_CODE_START(lib_take_over)
	push_context
	movq %rdi, %rbx
	movq %rbx, lib_shared + SHARED_CARRIER(%rip)
	movq %rsp, CARRIER_HOST_SP(%rbx)
	movq 19*8(%rsi), %rsp
	pushq 16*8(%rsi) /* rip */
	pushq 18*8(%rsi) /* flags */
	movq 0*8(%rsi), %r15
	movq 1*8(%rsi), %r14
	movq 2*8(%rsi), %r13
	movq 3*8(%rsi), %r12
	movq 4*8(%rsi), %rbp
	movq 5*8(%rsi), %rbx
	movq 6*8(%rsi), %r11
	movq 7*8(%rsi), %r10
	movq 8*8(%rsi), %r9
	movq 9*8(%rsi), %r8
	movq 10*8(%rsi), %rax
	movq 11*8(%rsi), %rcx
	movq 12*8(%rsi), %rdx
	movq 14*8(%rsi), %rdi
	movq 13*8(%rsi), %rsi
	popfq
	ret
SYM_CODE_END(lib_take_over)

/* void lib_take_turn(carrier): the undertaker goes on as the task that was given the CPU and whose carrier has died. */
SYM_CODE_START(lib_take_turn)
	push_context
	movq %rdi, %rbx
	movq %rbx, lib_shared + SHARED_CARRIER(%rip)
	movq %rsp, CARRIER_HOST_SP(%rbx)
	jmp .Lrun
SYM_CODE_END(lib_take_turn)

/* The undertaker's first step: off the stack that it is about to unmap. */
SYM_CODE_START(lib_undertake)
	leaq lib_undertaker_stack + LIB_UNDERTAKER_STACK(%rip), %rsp
	xorl %ebp, %ebp
	call lib_undertaker
	ud2
SYM_CODE_END(lib_undertake)

SYM_CODE_START(lib_restorer)
	movl $15, %eax /* rt_sigreturn */
	syscall
SYM_CODE_END(lib_restorer)

/* void lib_abandon(void): the kernel has ended; back to the carrier's caller, from any depth. */
SYM_CODE_START(lib_abandon)
	movq lib_shared + SHARED_CARRIER(%rip), %rbx
	movq CARRIER_HOST_SP(%rbx), %rsp
	movq CARRIER_RESULT(%rbx), %rax
	pop_context
	ret
SYM_CODE_END(lib_abandon)

/* A new task's first step: rbx is a kernel thread's function, rbp its argument. */
SYM_CODE_START(lib_first_step)
	movq %rax, %rdi
	call schedule_tail
	testq %rbx, %rbx
	jz 1f
	movq %rbp, %rdi
	call *%rbx
1:	call lib_first_outside
	jmp .Lredispatch
SYM_CODE_END(lib_first_step)

__REF
/* void lib_boot_on(carrier): the first step of the idle task. */
SYM_CODE_START(lib_boot_on)
	push_context
	movq %rdi, %rbx
	movq %rbx, lib_shared + SHARED_CARRIER(%rip)
	movq %rsp, CARRIER_HOST_SP(%rbx)
	leaq init_thread_union + (THREAD_SIZE - 16 - REGS_SIZE)(%rip), %rsp
	xorl %ebp, %ebp
	call start_kernel
	ud2
SYM_CODE_END(lib_boot_on)
