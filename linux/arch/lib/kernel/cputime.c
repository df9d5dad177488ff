// SPDX-License-Identifier: GPL-2.0
/*
 * CPU time. Programs run on the host's CPUs, so what they have used is what the host's clock of their process says. It
 * is read when somebody asks for a process's times (`thread_group_cputime`, wrapped by the linker), at its end and its
 * exec, and by a timer while a limit or a timer on it is armed. The kernel's own ticks count nothing.
 *
 * The host tells the time of a process, not that of another process's thread: it is put down to one thread of those
 * that there are. A thread's own clock (clock_gettime(2), RUSAGE_THREAD) is answered by the run-time.
 */
#include <linux/hrtimer.h>
#include <linux/kernel_stat.h>
#include <linux/math64.h>
#include <linux/posix-timers.h>
#include <linux/sched/cputime.h>
#include <linux/sched/signal.h>
#include <linux/syscalls.h>
#include <asm/lib.h>

#define HOST_CLOCK_GETTIME 228
#define SOONEST (NSEC_PER_SEC / HZ) /* as often as a host looks */

void __real_thread_group_cputime(struct task_struct *task, struct task_cputime *times);
void __wrap_thread_group_cputime(struct task_struct *task, struct task_cputime *times);
void __real_thread_group_cputime_adjusted(struct task_struct *task, u64 *user, u64 *system);
void __wrap_thread_group_cputime_adjusted(struct task_struct *task, u64 *user, u64 *system);
void __real_run_posix_cpu_timers(void);
void __wrap_run_posix_cpu_timers(void);

/* In nanoseconds; 0: there is no such process (any more). */
static u64 host_time(u32 pid, clockid_t which)
{
	struct { s64 seconds, nanoseconds; } time = {};

	if (lib_host(HOST_CLOCK_GETTIME, make_process_cpuclock(pid, which), (long)&time, 0, 0, 0, 0) < 0)
		return 0;
	return time.seconds * NSEC_PER_SEC + time.nanoseconds;
}

/* The scheduler counts the time inside for itself: its sum is made that of what was accounted. */
static void correct_runtime(struct task_struct *task)
{
	struct task_cputime times;
	s64 error;

	__real_thread_group_cputime(task, &times);
	error = times.utime + times.stime - times.sum_exec_runtime;
	if ((s64)task->se.sum_exec_runtime + error < 0)
		error = -(s64)task->se.sum_exec_runtime;
	task->se.sum_exec_runtime += error;
	account_group_exec_runtime(task, error);
}

/* Puts down to the task what its process has used since this was done last. */
void lib_account(struct task_struct *task)
{
	struct lib_carrier *home = task->thread.home ?: task->group_leader->thread.home;
	struct lib_cpu_time *seen = &task->group_leader->thread.cpu_time;
	u64 total, ticks, user, more, of_user;
	unsigned long flags;
	u32 pid = home && home->kick ? READ_ONCE(home->pid) : 0;

	if (!pid)
		return; /* an embedder's, who has no process for each of its own; or one that has not begun */
	local_irq_save(flags);
	if (seen->pid != pid)
		*seen = (struct lib_cpu_time){ .pid = pid }; /* of a vfork's child, exec makes another */
	total = host_time(pid, CPUCLOCK_SCHED);
	if (total > seen->total) {
		/* The share of user time is sampled by the host's ticks, as its own getrusage(2) has it: none in a moment. */
		ticks = total < NSEC_PER_MSEC ? 0 : host_time(pid, CPUCLOCK_PROF);
		user = ticks ? mul_u64_u64_div_u64(total, min(host_time(pid, CPUCLOCK_VIRT), ticks), ticks) : total;
		more = total - seen->total;
		of_user = user > seen->user ? min(user - seen->user, more) : 0;
		seen->total = total;
		seen->user += of_user;
		account_user_time(task, of_user);
		account_system_index_time(task, more - of_user, CPUTIME_SYSTEM);
	}
	correct_runtime(task);
	local_irq_restore(flags);
}

void __wrap_thread_group_cputime(struct task_struct *task, struct task_cputime *times)
{
	lib_account(task);
	__real_thread_group_cputime(task, times);
}

void __wrap_thread_group_cputime_adjusted(struct task_struct *task, u64 *user, u64 *system)
{
	lib_account(task);
	__real_thread_group_cputime_adjusted(task, user, system);
}

/* How much more may be used before something is due. */
static u64 left_of(const struct posix_cputimers *timers, u64 user, u64 system, u64 runtime)
{
	const u64 used[CPUCLOCK_MAX] = { [CPUCLOCK_PROF] = user + system, [CPUCLOCK_VIRT] = user, [CPUCLOCK_SCHED] = runtime };
	u64 left = U64_MAX;
	int i;

	for (i = 0; i < CPUCLOCK_MAX; i++)
		if (timers->bases[i].nextevt != U64_MAX)
			left = min(left, timers->bases[i].nextevt > used[i] ? timers->bases[i].nextevt - used[i] : 0);
	return left;
}

static bool has_timers(const struct posix_cputimers *timers)
{
	int i;

	for (i = 0; i < CPUCLOCK_MAX; i++)
		if (timers->bases[i].nextevt != U64_MAX)
			return true;
	return false;
}

/* Signals are the business of a thread of the process itself, at the end of its next call: one that computes is told. */
static void tell(struct task_struct *process)
{
	struct task_struct *task, *told = NULL;

	for_each_thread(process, task) {
		if (!task->thread.home || task->flags & PF_EXITING)
			continue;
		if (!told || task->thread.outside)
			told = task;
		if (task->thread.outside)
			break;
	}
	if (!told)
		return;
	set_tsk_thread_flag(told, TIF_CPU_TIMERS);
	if (told->thread.outside && !told->thread.kicked) { /* they would queue, and its stack for them is small */
		told->thread.kicked = 1;
		lib_kick(told->thread.home);
	}
}

/* Until the next look, in nanoseconds; all ones: nothing is armed. */
static u64 look_at(struct task_struct *process)
{
	struct task_cputime_atomic *sum = &process->signal->cputimer.cputime_atomic;
	bool of_process = READ_ONCE(process->signal->posix_cputimers.timers_active);
	struct task_struct *task, *timed = NULL;
	u64 left = U64_MAX;
	unsigned int threads = 0;

	for_each_thread(process, task) {
		threads++;
		if (has_timers(&task->posix_cputimers))
			timed = task;
	}
	if (!of_process && !timed)
		return U64_MAX;
	lib_account(timed ?: process);
	if (timed)
		left = left_of(&timed->posix_cputimers, timed->utime, timed->stime, timed->se.sum_exec_runtime);
	if (of_process)
		left = min(left, left_of(&process->signal->posix_cputimers, atomic64_read(&sum->utime),
					 atomic64_read(&sum->stime), atomic64_read(&sum->sum_exec_runtime)));
	if (!left)
		tell(process);
	return left / max(threads, 1U); /* they may all be running */
}

static enum hrtimer_restart look(struct hrtimer *timer)
{
	struct task_struct *process;
	u64 next = U64_MAX;

	rcu_read_lock();
	for_each_process(process)
		if (!(process->flags & (PF_KTHREAD | PF_EXITING)))
			next = min(next, look_at(process));
	rcu_read_unlock();
	if (next == U64_MAX)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, ns_to_ktime(clamp_t(u64, next, SOONEST, 1ULL << 62)));
	return HRTIMER_RESTART;
}

static struct hrtimer timer;

/* Something on a CPU clock may have been armed. */
void lib_watch_cpu_time(void)
{
	hrtimer_start(&timer, ns_to_ktime(SOONEST), HRTIMER_MODE_REL_HARD);
}

/* By the tick, which would go by what the scheduler counts: look() sees what is due, by the host's clock. */
void __wrap_run_posix_cpu_timers(void) {}

/* With TIF_CPU_TIMERS, at the end of a call. */
void lib_run_cpu_timers(void)
{
	lib_account(current);
	local_irq_disable();
	__real_run_posix_cpu_timers();
	local_irq_enable();
}

static int __init prepare(void)
{
	hrtimer_init(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	timer.function = look;
	return 0;
}
early_initcall(prepare);

/* The calls that arm something. */
static long watched(long result)
{
	if (result >= 0)
		lib_watch_cpu_time();
	return result;
}

long lib_setitimer(int which, struct __kernel_old_itimerval __user *value, struct __kernel_old_itimerval __user *old)
{
	long result = sys_setitimer(which, value, old);

	return which == ITIMER_REAL ? result : watched(result);
}

long lib_timer_settime(timer_t timer, int flags, const struct __kernel_itimerspec __user *value,
		       struct __kernel_itimerspec __user *old)
{
	return watched(sys_timer_settime(timer, flags, value, old));
}

long lib_setrlimit(unsigned int resource, struct rlimit __user *limit)
{
	long result = sys_setrlimit(resource, limit);

	return resource == RLIMIT_CPU ? watched(result) : result;
}

long lib_prlimit64(pid_t pid, unsigned int resource, const struct rlimit64 __user *limit, struct rlimit64 __user *old)
{
	long result = sys_prlimit64(pid, resource, limit, old);

	return resource == RLIMIT_CPU && limit ? watched(result) : result;
}

long lib_clock_nanosleep(clockid_t clock, int flags, const struct __kernel_timespec __user *time,
			 struct __kernel_timespec __user *left)
{
	if (clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID)
		lib_watch_cpu_time(); /* before: it sleeps with what it arms */
	return sys_clock_nanosleep(clock, flags, time, left);
}

/* CONFIG_VIRT_CPU_ACCOUNTING_NATIVE: time is accounted by the architecture, and nowhere else than above. */
void vtime_account_kernel(struct task_struct *task) {}
void vtime_account_idle(struct task_struct *task) {}
void vtime_account_softirq(struct task_struct *task) {}
void vtime_account_hardirq(struct task_struct *task) {}
void vtime_flush(struct task_struct *task) {}
void vtime_task_switch(struct task_struct *previous) {}
