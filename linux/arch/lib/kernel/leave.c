// SPDX-License-Identifier: GPL-2.0
/* The end of a system call: what must be done before its carrier goes back. */
#include <linux/bottom_half.h>
#include <linux/errno.h>
#include <linux/rcupdate.h>
#include <linux/resume_user_mode.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/signal.h>
#include <linux/unistd.h>
#include <asm/lib.h>
#include <asm/syscall.h>

enum restart { NO_RESTART, RESTART };

static enum restart restart_without_handler(struct pt_regs *regs)
{
	switch ((long)regs->ax) {
	case -ERESTARTNOHAND:
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
		break;
	case -ERESTART_RESTARTBLOCK:
		regs->orig_ax = __NR_restart_syscall;
		break;
	default:
		return NO_RESTART;
	}
	if (test_and_clear_thread_flag(TIF_INTERRUPTED)) {
		regs->ax = -EINTR;
		return NO_RESTART;
	}
	return RESTART;
}

/* The carrier's caller builds the frame; the mask is already that of the handler. */
static enum restart deliver(struct pt_regs *regs, struct ksignal *signal)
{
	struct lib_carrier *carrier = lib_shared.carrier;
	struct lib_signal *to = &carrier->signal;
	bool again = false;

	switch ((long)regs->ax) {
	case -ERESTARTSYS:
		again = signal->ka.sa.sa_flags & SA_RESTART;
		break;
	case -ERESTARTNOINTR:
		again = true;
		break;
	case -ERESTARTNOHAND:
	case -ERESTART_RESTARTBLOCK:
		break;
	default:
		goto result_stands;
	}
	regs->ax = again ? -ERESTARTSYS : -EINTR; /* the caller makes the call again after the handler */
result_stands:
	to->number = signal->sig;
	to->flags = signal->ka.sa.sa_flags;
	to->handler = (u64)signal->ka.sa.sa_handler;
	to->restorer = (u64)signal->ka.sa.sa_restorer;
	to->mask = sigmask_to_save()->sig[0];
	BUILD_BUG_ON(sizeof(to->info) != sizeof(siginfo_t));
	memset(to->info, 0, sizeof(to->info));
	memcpy(to->info, &signal->info, sizeof(signal->info));
	signal_setup_done(0, signal, 0);
	carrier->status = LIB_SIGNAL;
	return NO_RESTART;
}

static enum restart do_signals(struct pt_regs *regs)
{
	struct ksignal signal;
	enum restart restart;

	if (get_signal(&signal))
		return deliver(regs, &signal);
	restart = restart_without_handler(regs);
	restore_saved_sigmask();
	return restart;
}

/* The embedder makes several calls for one of the guest's, and wants no handler between them. Death is another matter. */
static bool holds(struct pt_regs *regs)
{
	struct lib_carrier *carrier = lib_shared.carrier;

	if (!carrier->hold || fatal_signal_pending(current))
		return false;
	carrier->hold = 2;
	switch ((long)regs->ax) {
	case -ERESTARTNOHAND:
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTART_RESTARTBLOCK:
		regs->ax = -EINTR;
	}
	return true;
}

/*
 * What a call put off, most often the last step of close(). Its files, dentries and inodes are freed by RCU, which
 * sees no user mode here but at ticks: within one, thousands would pile up, each in memory that no cache holds.
 */
static void leave_behind(struct pt_regs *regs)
{
	static unsigned int count;

	resume_user_mode_work(regs);
	if (++count % 32)
		return;
	local_bh_disable();
	rcu_softirq_qs();
	local_bh_enable(); /* runs the callbacks */
}

/*
 * The result is in the registers. 1: make the call that is in the registers now; 0: back to the caller, and the CPU is
 * free with this task the last that had it.
 */
int lib_leaving(struct pt_regs *regs);
int lib_leaving(struct pt_regs *regs)
{
	enum restart restart = NO_RESTART;
	unsigned long flags;

	lib_shared.carrier->status = LIB_RETURNED;
	for (;;) {
		if (READ_ONCE(lib_pending))
			lib_run_interrupts();
		flags = read_thread_flags();
		if (flags & _TIF_CPU_TIMERS) {
			clear_thread_flag(TIF_CPU_TIMERS);
			lib_run_cpu_timers();
			continue;
		}
		if (flags & (_TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL | _TIF_INTERRUPTED | _TIF_RESTORE_SIGMASK) &&
		    lib_shared.carrier->status != LIB_SIGNAL && !holds(regs))
			restart = do_signals(regs); /* the last one counts: a handler that is due later is not lost */
		else if (flags & _TIF_NOTIFY_RESUME)
			leave_behind(regs);
		else
			break;
		clear_thread_flag(TIF_INTERRUPTED);
	}
	if (restart == RESTART)
		return 1;
	if (!(flags & _TIF_NEED_RESCHED) && single_task_running())
		return 0;
	/* Others want the CPU. We do not: our caller goes on at once, on another host CPU. */
	lib_shared.carrier->result = regs->ax;
	lib_shared.carrier->leaving = 1;
	lib_outside();
	return 1;
}
