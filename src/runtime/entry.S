/* How a guest's thread gets in and out. Registers: thread.h. */
#include <sys/syscall.h>

#define THREAD_STACK 8
#define THREAD_GUEST_SP 16
#define THREAD_KICKED 24

#define R_R8 (0*8)
#define R_R9 (1*8)
#define R_R10 (2*8)
#define R_R12 (4*8)
#define R_R13 (5*8)
#define R_R14 (6*8)
#define R_R15 (7*8)
#define R_RDI (8*8)
#define R_RSI (9*8)
#define R_RBP (10*8)
#define R_RBX (11*8)
#define R_RDX (12*8)
#define R_RAX (13*8)
#define R_RSP (15*8)
#define R_RIP (16*8)
#define R_FLAGS (17*8)
/* In a ucontext, and in the vector state that it points to. */
#define UC_R 40
#define UC_FP (UC_R + 23*8)
#define FP_FEATURES 472
#define ALIGNMENT_CHECK 0x40000
#define DIRECTION 0x400

/* A guest may have its own accesses checked; neither we nor the library kernel are written for that. */
.macro clear_alignment_check
	pushfq
	andq $~ALIGNMENT_CHECK, (%rsp)
	popfq
.endm

.section .text, "ax"

/* One for each form of a call site, kCountedStep apart: it may change r11, as `syscall` does. */
.balign 16
.globl rt_counted
rt_counted:
.irp form, 0, 1, 2, 3
	.balign 16
	movl $\form, %r11d
	jmp rt_entry
.endr

/* A patched call site jumps here with everything as before `syscall`, and the address to go on at in rcx. */
.globl rt_entry
rt_entry:
	movq %rsp, %gs:THREAD_GUEST_SP
	movq %gs:THREAD_STACK, %rsp
	subq $40, %rsp
	pushfq
	pushq %rcx
	pushq %gs:THREAD_GUEST_SP
	pushq %rcx
	pushq %rax
	pushq %rdx
	pushq %rbx
	pushq %rbp
	pushq %rsi
	pushq %rdi
	pushq %r15
	pushq %r14
	pushq %r13
	pushq %r12
	pushq %r11
	pushq %r10
	pushq %r9
	pushq %r8
	cld
	testl $ALIGNMENT_CHECK, R_FLAGS(%rsp)
	jnz rt_entry_checked
rt_entry_unchecked:
	movq %rsp, %rdi
	subq $8, %rsp
	call rt_call
	addq $8, %rsp

/* Goes to the registers at rsp. */
.globl rt_leave
rt_leave:
	movq 0(%rsp), %r8
	movq 8(%rsp), %r9
	movq 16(%rsp), %r10
	movq 32(%rsp), %r12
	movq 40(%rsp), %r13
	movq 48(%rsp), %r14
	movq 56(%rsp), %r15
	movq 64(%rsp), %rdi
	movq 72(%rsp), %rsi
	movq 80(%rsp), %rbp
	movq 88(%rsp), %rbx
	movq 96(%rsp), %rdx
	movq 104(%rsp), %rax
	testl $(ALIGNMENT_CHECK | DIRECTION), R_FLAGS(%rsp)
	jnz rt_leave_with_flags
/* A kick within this window goes back to its start, on the same stack (signal.cc). */
.globl rt_leave_window
rt_leave_window:
	cmpl $0, %gs:THREAD_KICKED
	jne rt_leave_kicked
	movq R_RIP(%rsp), %rcx
	movq R_RSP(%rsp), %rsp
	jmp *%rcx
.globl rt_leave_window_end
rt_leave_window_end:
rt_leave_kicked:
	clear_alignment_check
	cld
	movq %rsp, %rdi
	subq $8, %rsp
	call rt_look
	addq $8, %rsp
	jmp rt_leave

rt_entry_checked:
	clear_alignment_check
	jmp rt_entry_unchecked
rt_leave_with_flags:
	movq R_FLAGS(%rsp), %rcx
	andl $(ALIGNMENT_CHECK | DIRECTION), %ecx
	pushfq
	orq %rcx, (%rsp)
	popfq
	jmp rt_leave_window

/* The end of a signal handler of ours: rsp is at the host's ucontext. */
.globl rt_restorer
rt_restorer:
	cmpl $0, %gs:THREAD_KICKED
	jne rt_restorer_kicked
	movl $__NR_rt_sigreturn, %eax
.globl rt_restorer_last
rt_restorer_last:
	syscall
rt_restorer_kicked:
	movq %rsp, %rbx
	movq %rsp, %rdi
	andq $-16, %rsp
	call rt_look_in_frame
	movq %rbx, %rsp
	testb %al, %al
	jnz rt_restorer
	movl $__NR_rt_sigreturn, %eax /* back into ourselves: whoever was interrupted there will look */
	syscall

/*
 * The end of rt_on_call(): rsp is at the host's ucontext, and al says whether to go back without the host, in a fifth less
 * time. As after a system call, rcx and r11 are free.
 */
.globl rt_call_restorer
rt_call_restorer:
	testb %al, %al
	jz rt_restorer
	movq UC_FP(%rsp), %rcx
	movl FP_FEATURES(%rcx), %eax
	movl FP_FEATURES+4(%rcx), %edx
	xrstor64 (%rcx)
	movq UC_R+R_R8(%rsp), %r8
	movq UC_R+R_R9(%rsp), %r9
	movq UC_R+R_R10(%rsp), %r10
	movq UC_R+R_R12(%rsp), %r12
	movq UC_R+R_R13(%rsp), %r13
	movq UC_R+R_R14(%rsp), %r14
	movq UC_R+R_R15(%rsp), %r15
	movq UC_R+R_RDI(%rsp), %rdi
	movq UC_R+R_RSI(%rsp), %rsi
	movq UC_R+R_RBP(%rsp), %rbp
	movq UC_R+R_RBX(%rsp), %rbx
	movq UC_R+R_RDX(%rsp), %rdx
	movq UC_R+R_RAX(%rsp), %rax
	movq UC_R+R_FLAGS(%rsp), %r11
	pushq %r11
	popfq
/* A kick within this window goes back to its start; at its last instruction, to where that leads (signal.cc). */
.globl rt_call_window
rt_call_window:
	movl %gs:THREAD_KICKED, %ecx
	jrcxz 1f
	jmp rt_restorer
1:	movq UC_R+R_RIP(%rsp), %rcx
	movq UC_R+R_RSP(%rsp), %rsp
.globl rt_call_last
rt_call_last:
	jmp *%rcx

/* void rt_go_to_frame(ucontext): a new thread's way to where it starts. */
.globl rt_go_to_frame
rt_go_to_frame:
	movq %rdi, %rsp
	jmp rt_restorer

/* void rt_go_to(registers) */
.globl rt_go_to
rt_go_to:
	movq %rdi, %rsp
	jmp rt_leave

/* long host_blocking(number, a, b, c, d, e, f) */
.globl host_blocking
host_blocking:
	movq %rdi, %rax
	movq %rsi, %rdi
	movq %rdx, %rsi
	movq %rcx, %rdx
	movq %r8, %r10
	movq %r9, %r8
	movq 8(%rsp), %r9
.globl host_blocking_window
host_blocking_window:
	cmpl $0, %gs:THREAD_KICKED
	jne host_blocking_kicked
.globl host_blocking_last
host_blocking_last:
	syscall
	ret
.globl host_blocking_kicked
host_blocking_kicked:
	movq $-4, %rax
	ret

/* long rt_notify(slot): the filter knows the instruction by where it is. Any number would do that other filters let through. */
.globl rt_notify
rt_notify:
	movl $__NR_getpid, %eax
	syscall
.globl rt_notify_end
rt_notify_end:
	ret

/* bool guarded_copy(to, from, size): a fault goes to guarded_copy_bad. */
.globl guarded_copy
guarded_copy:
	movq %rdx, %rcx
.globl guarded_copy_at
guarded_copy_at:
	rep movsb
	movl $1, %eax
	ret
.globl guarded_copy_bad
guarded_copy_bad:
	xorl %eax, %eax
	ret

/*
 * u64 guarded_count(to, from, size): by words, which for the few bytes of a trace takes a third of the time. A fault at a word
 * goes on by bytes, one there to guarded_count_bad.
 */
.globl guarded_count
guarded_count:
	movq %rdx, %rcx
	subq $8, %rcx
	jb 2f
.globl guarded_count_word
guarded_count_word:
	movq (%rsi), %rax
	addq $8, %rsi
	movq %rax, (%rdi)
	addq $8, %rdi
	subq $8, %rcx
	jae guarded_count_word
2:	addq $8, %rcx
	jz guarded_count_bad
	jmp guarded_count_at
.globl guarded_count_torn
guarded_count_torn:
	addq $8, %rcx
.globl guarded_count_at
guarded_count_at:
	rep movsb
.globl guarded_count_bad
guarded_count_bad:
	movq %rdx, %rax
	subq %rcx, %rax
	ret

/* long clone_thread(flags, stack, child_tid, tls, thread): the child calls rt_child(thread) on that stack. */
.globl clone_thread
clone_thread:
	pushq %r12
	movq %r8, %r12
	movl $__NR_clone, %eax
	movq %rdx, %r10
	movq %rcx, %r8
	xorl %edx, %edx
	syscall
	testq %rax, %rax
	jz 1f
	popq %r12
	ret
1:	xorl %ebp, %ebp
	movq %r12, %rdi
	call rt_child
	ud2

/*
 * long fork_over(flags, &alive): a new process goes on here with the registers, and on the very stack, of this one, which ends.
 * So what ends touches no stack after the call.
 */
.globl fork_over
fork_over:
	movq %rsi, %r8
	movl $__NR_clone, %eax
	xorl %esi, %esi
	xorl %edx, %edx
	xorl %r10d, %r10d
	syscall
	testq %rax, %rax
	jg 1f
	ret
1:	lock decl (%r8)
	movq %r8, %rdi
	movl $1, %esi
	movl $0x7fffffff, %edx
	movl $__NR_futex, %eax
	syscall
2:	movl $__NR_exit, %eax
	xorl %edi, %edi
	syscall
	jmp 2b

/* void end_thread(&used, &alive): the slot is free from the first instruction on, so nothing below touches a stack. */
.globl end_thread
end_thread:
	lock decl (%rsi)
	movl $0, (%rdi)
	jz 1f /* nobody is left who could wait for that */
	movq %rsi, %rdi
	movl $1, %esi
	movl $0x7fffffff, %edx
	movl $__NR_futex, %eax
	syscall
1:	movl $__NR_exit, %eax
	xorl %edi, %edi
	syscall
	jmp 1b

/* void set_host_stack(stack): the host refuses whoever seems to be on the old one, as a child may with its parent's. */
.globl set_host_stack
set_host_stack:
	movl $__NR_sigaltstack, %eax
	xorl %esi, %esi
	movq %rsp, %rdx
	xorl %esp, %esp
	syscall
	movq %rdx, %rsp
	ret

/* void rt_start_on(stack, start) */
.globl rt_start_on
rt_start_on:
	movq %rdi, %rsp
	movq %rsi, %rdi
	xorl %ebp, %ebp
	call rt_start_here
	ud2

.globl memcpy
memcpy:
	movq %rdi, %rax
	movq %rdx, %rcx
	rep movsb
	ret
.globl memset
memset:
	movq %rdi, %r8
	movl %esi, %eax
	movq %rdx, %rcx
	rep stosb
	movq %r8, %rax
	ret

.section .note.GNU-stack, "", @progbits
