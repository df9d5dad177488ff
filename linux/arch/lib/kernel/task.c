// SPDX-License-Identifier: GPL-2.0
/* Tasks, the carriers that make their calls, and the moments between two calls. */
#include <linux/cpu.h>
#include <linux/kernel.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/sched/debug.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/signal.h>
#include <asm/lib.h>
#include <asm/syscall.h>
#include <asm/version.h>

#define HOST_TGKILL 234

/* Its thread is to look, at its next instruction in user mode: there is a signal for it, or nothing left to run for. */
void lib_kick(struct lib_carrier *carrier)
{
	if (carrier->kick)
		lib_host(HOST_TGKILL, carrier->pid, carrier->tid, carrier->kick, 0, 0, 0);
}

/* Between two calls: like sleep to the scheduler, so that the CPU is free for others and its tick can stop. */
static void sleep_outside(void)
{
	struct thread_struct *thread = &current->thread;

	if (!thread->called)
		thread->carrier = NULL;
	thread->outside = 1;
	for (;;) {
		/* A signal wakes it once; then only its next call or a fatal one does. */
		set_current_state(signal_pending(current) ? TASK_KILLABLE | TASK_NOLOAD : TASK_INTERRUPTIBLE);
		if (thread->called)
			break;
		if (fatal_signal_pending(current)) {
			struct ksignal signal;

			/* On whatever carrier: it needs nothing of its user side to die. */
			__set_current_state(TASK_RUNNING);
			get_signal(&signal);
			continue;
		}
		if (signal_pending(current) && !thread->kicked && thread->home) {
			thread->kicked = 1;
			lib_kick(thread->home);
		}
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	thread->kicked = 0;
	thread->called = 0;
	thread->outside = 0;
}

void lib_outside(void)
{
	sleep_outside();
}

void lib_first_outside(void);
void lib_first_outside(void)
{
	current_pt_regs()->user = 1;
	if (is_global_init(current)) {
		lib_swap(&lib_shared.state, LIB_READY);
		lib_futex_wake(&lib_shared.state, INT_MAX);
	}
	sleep_outside();
}

/* Runs where the CPU was left, in the idle task or one that is outside: the task that the carrier brings may run. */
static void arrive(void)
{
	struct task_struct *task = (void *)lib_shared.carrier->task;

	if (!task)
		return;
	task->thread.carrier = lib_shared.carrier;
	task->thread.called = 1;
	if (task->thread.outside)
		wake_up_process(task); /* else it is new and yet to come here, or about to die */
}

void lib_arrived(void);
void lib_arrived(void)
{
	arrive();
}

/* In a task that is outside and current: makes room for others. Its registers are those of user mode. */
void lib_displace(void);
void lib_displace(void)
{
	arrive();
	if (READ_ONCE(lib_pending))
		lib_run_interrupts();
	sleep_outside();
}

/* The words of a request for lib_serve(), where they survive whoever asked. */
static struct lib_request {
	struct lib_carrier *carrier;
	s32 pid;
} lib_request;

/* The words of a call, as lib_enter() pushes them. */
struct call {
	u64 number, a, b, c, d, e, f;
};

/* With the CPU, on the host's stack. 0: it is dropped again, the result is there; 1: our task is current; 2: it is not. */
int lib_enter_slowly(struct lib_carrier *carrier, const struct call *call);
int lib_enter_slowly(struct lib_carrier *carrier, const struct call *call)
{
	struct task_struct *task = (void *)carrier->task;
	struct pt_regs *regs;

	carrier->status = LIB_RETURNED;
	if (!task) {
		carrier->result = -ESRCH;
		carrier->status = LIB_EXITED;
		lib_drop_cpu();
		return 0;
	}
	lib_shared.carrier = carrier;
	lib_map_vmalloc(carrier);
	regs = task_pt_regs(task);
	regs->orig_ax = call->number;
	regs->di = call->a;
	regs->si = call->b;
	regs->dx = call->c;
	regs->r10 = call->d;
	regs->r8 = call->e;
	regs->r9 = call->f;
	if (task != current)
		return 2;
	task->thread.carrier = carrier;
	lib_memory_of = carrier->memory;
	return 1;
}

/*
 * What is done to a task rather than by it: kernel code with the CPU, on a stack of its own. Like an interrupt it may look
 * and wake, but not sleep.
 */
static s64 serve(s64 (*function)(struct lib_request *), struct lib_carrier *carrier, s32 pid, bool wakes)
{
	struct lib_request *request = &lib_request;
	s64 result;

	if (lib_take_cpu(carrier))
		return -EIO;
	lib_map_vmalloc(carrier);
	request->carrier = carrier;
	request->pid = pid;
	result = lib_serve(function, carrier, request);
	if (wakes)
		lib_resume(carrier); /* a task may be runnable now, and nobody else would look */
	else
		lib_drop_cpu();
	return result;
}

static s64 unbind(struct lib_request *request)
{
	struct task_struct *task = (void *)request->carrier->task;

	if (task) {
		task->thread.home = NULL;
		if (task->thread.carrier == request->carrier)
			task->thread.carrier = NULL;
		request->carrier->task = 0;
	}
	return 0;
}

s64 lib_unbind(struct lib_carrier *carrier)
{
	return serve(unbind, carrier, 0, false);
}

static s64 bind(struct lib_request *request)
{
	struct lib_carrier *carrier = request->carrier;
	struct task_struct *task;
	s64 result = 0;

	rcu_read_lock();
	task = find_task_by_pid_ns(request->pid, &init_pid_ns);
	if (!task || task->exit_state || task->flags & (PF_EXITING | PF_KTHREAD)) {
		result = -ESRCH;
	} else if (task->thread.home) {
		result = -EBUSY;
	} else {
		task->thread.home = carrier;
		carrier->task = (u64)task;
		carrier->stack = (u64)task_pt_regs(task);
		carrier->leaving = 0;
	}
	rcu_read_unlock();
	return result;
}

s64 lib_bind(struct lib_carrier *carrier, s32 pid)
{
	return carrier->task ? -EBUSY : serve(bind, carrier, pid, false);
}

static s64 interrupt_task(struct lib_request *request)
{
	struct task_struct *task;

	rcu_read_lock();
	task = find_task_by_pid_ns(request->pid, &init_pid_ns);
	if (task && !task->thread.outside && task != current) {
		set_tsk_thread_flag(task, TIF_INTERRUPTED);
		set_notify_signal(task);
	}
	rcu_read_unlock();
	return task ? 0 : -ESRCH;
}

/* The call that the task is blocked in ends with EINTR. The carrier has no task of its own. */
s64 lib_interrupt_task(struct lib_carrier *carrier, s32 pid)
{
	return serve(interrupt_task, carrier, pid, true);
}

void lib_disown_task(struct lib_carrier *dead)
{
	struct task_struct *task = (void *)dead->task;

	if (!task)
		return;
	dead->task = 0;
	task->thread.home = NULL;
	task->thread.carrier = NULL; /* to die on whatever carrier */
	sigdelset(&task->pending.signal, SIGKILL); /* set_adrift()'s; one that is pending would not be sent again */
	send_sig(SIGKILL, task, 1);
}

static s64 disown(struct lib_request *request)
{
	lib_disown_task(request->carrier);
	return 0;
}

/* With the CPU held by `carrier`, the undertaker's: the task of `dead`, whose thread is no more, is killed. */
void lib_disown(struct lib_carrier *carrier, struct lib_carrier *dead)
{
	lib_request.carrier = dead;
	lib_serve(disown, carrier, &lib_request);
}

/* The task is no more; its carrier goes home, or will hear of it when it comes. */
void exit_thread(struct task_struct *task)
{
	struct lib_carrier *home = task->thread.home;

	if (!home)
		return;
	lib_account(task);
	home->task = 0;
	home->result = -ESRCH;
	home->status = LIB_EXITED;
	if (home == lib_shared.carrier)
		home->leaving = 1;
	else
		lib_kick(home);
	task->thread.home = NULL;
	task->thread.carrier = NULL;
}

void flush_thread(void) {}
void show_regs(struct pt_regs *regs) {}

int arch_dup_task_struct(struct task_struct *to, struct task_struct *from)
{
	*to = *from;
	return 0;
}

int copy_thread(struct task_struct *task, const struct kernel_clone_args *args)
{
	struct pt_regs *regs = task_pt_regs(task);
	u64 *frame = (u64 *)regs - 7; /* what __switch_to() pops, r15 first */

	memset(frame, 0, 7 * sizeof(*frame));
	if (args->fn) {
		memset(regs, 0, sizeof(*regs));
		frame[4] = (u64)args->fn_arg; /* rbp */
		frame[5] = (u64)args->fn;     /* rbx */
	} else {
		*regs = *current_pt_regs();
		regs->ax = 0;
	}
	frame[6] = (u64)lib_first_step;
	task->thread = (struct thread_struct){ .sp = (u64)frame };
	return 0;
}

/* Guests are traced by their embedder, who sees every call; what ptrace needs of a machine is the host's. */
long arch_ptrace(struct task_struct *child, long request, unsigned long address, unsigned long data)
{
	return ptrace_request(child, request, address, data);
}

void ptrace_disable(struct task_struct *child) {}
void user_disable_single_step(struct task_struct *child) {}

unsigned long __get_wchan(struct task_struct *task)
{
	return 0;
}

void arch_cpu_idle(void)
{
	/* Closed until here; what is pending now would otherwise wait for the next bell. */
	if (!READ_ONCE(lib_pending))
		lib_idle();
#if !LINUX_SINCE(6, 3) /* since then the caller opens them */
	raw_local_irq_enable();
#endif
}
