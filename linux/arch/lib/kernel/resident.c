// SPDX-License-Identifier: GPL-2.0
/*
 * Resident memory. What a program has of no file is the host's, and the host alone knows how many pages of it there are. So
 * before /proc tells of a process (its functions are wrapped by the linker), whoever serves the devices is asked, who can read
 * the host's /proc.
 */
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include <asm/lib.h>

#define AT_ONCE (200 * NSEC_PER_USEC) /* with the CPU held: most often it is 50 us */
#define PATIENCE (500 * NSEC_PER_MSEC)
#define FRESH (10 * NSEC_PER_MSEC) /* ps(1) reads three files of each process */

static DEFINE_MUTEX(asking);

/* False: not in time. */
static bool wait_for_answer(struct lib_question *question, u32 asked)
{
	u64 start = lib_now(), past;
	u32 answered;

	while ((answered = READ_ONCE(question->answered)) != asked) {
		past = lib_now() - start;
		if (past < AT_ONCE)
			lib_futex_wait(&question->answered, answered, start + AT_ONCE);
		else if (past < PATIENCE)
			schedule_timeout_uninterruptible(1);
		else
			return false;
	}
	return true;
}

static bool ask(u32 pid, u64 *pages)
{
	struct lib_question *question = &lib_shared.question;
	u32 asked = question->asked + 1;
	bool answered;

	if (!READ_ONCE(question->listens))
		return false;
	WRITE_ONCE(question->pid, pid);
	lib_swap(&question->asked, asked);
	lib_futex_wake(&question->asked, 1);
	answered = wait_for_answer(question, asked);
	*pages = READ_ONCE(question->pages);
	return answered;
}

static void set_pages(struct mm_struct *mm, u64 pages)
{
	add_mm_counter(mm, MM_ANONPAGES, pages - mm->context.host_pages);
	mm->context.host_pages = pages;
}

static void look_at(struct task_struct *task)
{
	struct lib_carrier *home = task->thread.home ?: task->group_leader->thread.home;
	u32 pid = home && home->kick ? READ_ONCE(home->pid) : 0;
	struct mm_struct *mm = pid ? get_task_mm(task) : NULL;
	u64 pages;

	if (!mm)
		return; /* a thread of the kernel's, an embedder's task, or one that has not begun */
	mutex_lock(&asking);
	if (lib_now() - mm->context.host_asked >= FRESH) {
		if (ask(pid, &pages))
			set_pages(mm, pages);
		mm->context.host_asked = lib_now();
	}
	mutex_unlock(&asking);
	mmput(mm);
}

/* The address space ends: the kernel looks whether all of its pages were given back. */
void lib_forget_resident(struct mm_struct *mm)
{
	set_pages(mm, 0);
}

#define LOOK_FIRST(name)                                                                                                      \
	int __real_##name(struct seq_file *m, struct pid_namespace *ns, struct pid *pid, struct task_struct *task);           \
	int __wrap_##name(struct seq_file *m, struct pid_namespace *ns, struct pid *pid, struct task_struct *task);           \
	int __wrap_##name(struct seq_file *m, struct pid_namespace *ns, struct pid *pid, struct task_struct *task)            \
	{                                                                                                                     \
		look_at(task);                                                                                                \
		return __real_##name(m, ns, pid, task);                                                                       \
	}
LOOK_FIRST(proc_pid_status)
LOOK_FIRST(proc_pid_statm)
LOOK_FIRST(proc_tgid_stat)
LOOK_FIRST(proc_tid_stat)
