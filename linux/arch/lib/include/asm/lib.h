/* SPDX-License-Identifier: GPL-2.0 */
/* What the port's own files share. */
#ifndef _ASM_LIB_LIB_H
#define _ASM_LIB_LIB_H

#include <linux/types.h>
#include <lib_abi.h>

struct task_struct;
struct mm_struct;
struct pt_regs;
struct __kernel_itimerspec;
struct __kernel_old_itimerval;
struct __kernel_timespec;
struct rlimit;
struct rlimit64;

/* host.c: the few things that are asked of the host. Raw system calls: there is no libc inside. */
long lib_host(long number, long a, long b, long c, long d, long e, long f);
void lib_futex_wake(u32 *word, int count);
/* Until *word is not `value`; `deadline` in nanoseconds of the monotonic clock, all ones for none. */
void lib_futex_wait(u32 *word, u32 value, u64 deadline);
u64 lib_host_clock(void);
void lib_host_fence(void);

/* Other host threads run at the same time, so what is shared with them needs real atomic instructions. */
static inline u32 lib_swap(u32 *word, u32 value)
{
	asm volatile("xchgl %0, %1" : "+r"(value), "+m"(*word) : : "memory");
	return value;
}
static inline u64 lib_swap64(u64 *word, u64 value)
{
	asm volatile("xchgq %0, %1" : "+r"(value), "+m"(*word) : : "memory");
	return value;
}
static inline bool lib_replace(u32 *word, u32 old, u32 value)
{
	bool done;

	asm volatile("lock cmpxchgl %3, %1" : "=@ccz"(done), "+m"(*word), "+a"(old) : "r"(value) : "memory");
	return done;
}
static inline void lib_add(u32 *word, u32 value)
{
	asm volatile("lock addl %1, %0" : "+m"(*word) : "r"(value) : "memory", "cc");
}
static inline void lib_or(u32 *word, u32 bits)
{
	asm volatile("lock orl %1, %0" : "+m"(*word) : "r"(bits) : "memory", "cc");
}
static inline void lib_or64(u64 *word, u64 bits)
{
	asm volatile("lock orq %1, %0" : "+m"(*word) : "r"(bits) : "memory", "cc");
}

extern struct lib_carrier lib_carriers[LIB_MAX_CARRIERS];

/* resident.c */
void lib_forget_resident(struct mm_struct *mm);

/* cpu.c: the CPU as a lock that carriers pass on. */
int lib_take_cpu(struct lib_carrier *carrier);
void lib_drop_cpu(void);
void lib_resume(struct lib_carrier *carrier);
void lib_idle(void);
void lib_abandon(void) __noreturn;
void lib_boot_on(struct lib_carrier *carrier);
void lib_run(struct lib_carrier *carrier);
s64 lib_enter(struct lib_carrier *carrier, u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);
void lib_give_cpu(struct lib_carrier *to);
void lib_tell_end(u32 state, u32 caller);
void lib_ended(u32 state) __noreturn;
struct lib_request;
s64 lib_serve(s64 (*function)(struct lib_request *), struct lib_carrier *carrier, struct lib_request *request);

/* task.c: tasks and their carriers. */
void lib_first_step(void);
s64 lib_bind(struct lib_carrier *carrier, s32 pid);
s64 lib_unbind(struct lib_carrier *carrier);
s64 lib_interrupt_task(struct lib_carrier *carrier, s32 pid);
void lib_outside(void);

void lib_disown(struct lib_carrier *carrier, struct lib_carrier *dead);
void lib_disown_task(struct lib_carrier *dead);

/* undertaker.c */
void lib_undertake(struct lib_carrier *carrier);
void lib_take_over(struct lib_carrier *carrier, u64 *registers);
void lib_take_turn(struct lib_carrier *carrier);

/* interrupt.c and time.c */
void lib_interrupt(u32 number);
void lib_ring_bell(void);
u64 lib_now(void);
void lib_timer_expired(void);

extern u64 lib_interrupts; /* how many have been run */
extern u64 lib_sleeps_until;

/* cputime.c */
void lib_account(struct task_struct *task);
void lib_watch_cpu_time(void);
void lib_run_cpu_timers(void);
long lib_setitimer(int which, struct __kernel_old_itimerval __user *value, struct __kernel_old_itimerval __user *old);
long lib_timer_settime(timer_t timer, int flags, const struct __kernel_itimerspec __user *value,
		       struct __kernel_itimerspec __user *old);
long lib_setrlimit(unsigned int resource, struct rlimit __user *limit);
long lib_prlimit64(pid_t pid, unsigned int resource, const struct rlimit64 __user *limit, struct rlimit64 __user *old);
long lib_clock_nanosleep(clockid_t clock, int flags, const struct __kernel_timespec __user *time,
			 struct __kernel_timespec __user *left);

/* counters.c: fills lib_counters. As an interrupt. */
void lib_count(void);
extern struct lib_counters lib_counters;

/* fault.c */
void lib_on_fault(int number, void *info, void *context);
void lib_after_fault(void);
void lib_restorer(void);
void lib_map_vmalloc(struct lib_carrier *carrier);

long lib_special_call(struct pt_regs *regs);

/* init.c, pages.c, task.c */
struct lib_exec;
struct lib_area;
long lib_exec_left(struct lib_exec __user *to, char __user *strings, unsigned long size, unsigned long heap);
long lib_pages(unsigned long address, unsigned long count, bool write, u64 __user *to);
long lib_area(unsigned long address, struct lib_area __user *to);
bool lib_touch(unsigned long address);
long lib_copy_shared(u64 ours, u64 theirs, unsigned long size, bool write);

/* window.c: pages that guests have in their memory, where they may not have the rest of it. */
struct address_space;
struct page;
void lib_reserve_window(void);
bool lib_has_window(void);
void lib_leave_window(struct page *page);
long lib_move_into_window(struct address_space *mapping, struct page **pages, unsigned long number);
long lib_disown_process(u32 pid);
void lib_kick(struct lib_carrier *carrier);
long lib_device_add(unsigned int number);
long lib_device_remove(unsigned int number);

#endif
