// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's counters, copied to where somebody outside reads them: on request, which is an interrupt, so that nobody
 * makes a call for it and no task is switched to.
 */
#include <linux/cgroup.h>
#include <linux/fdtable.h>
#include <linux/interrupt.h>
#include <linux/kernel.h>
#include <linux/kernel_stat.h>
#include <linux/mm.h>
#include <linux/sched/loadavg.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/vmstat.h>
#include <asm/lib.h>

struct lib_counters lib_counters;

static u64 pages(enum node_stat_item item)
{
	return global_node_page_state_pages(item) << PAGE_SHIFT;
}

/* Open descriptors; processes that share their table count it once each. */
static void count_processes(struct lib_counters *to)
{
	struct task_struct *process;

	rcu_read_lock();
	for_each_process(process) {
		struct files_struct *files = READ_ONCE(process->files);
		struct fdtable *table = files ? files_fdtable(files) : NULL;

		if (process->flags & PF_KTHREAD)
			continue;
		to->processes++;
		to->threads += get_nr_threads(process);
		if (table)
			to->descriptors += bitmap_weight(table->open_fds, table->max_fds);
	}
	rcu_read_unlock();
}

void lib_count(void)
{
	struct lib_counters *to = &lib_counters;
	u32 sequence = to->sequence + 1;
	struct sysinfo memory;
	int i;

	BUILD_BUG_ON(ARRAY_SIZE(to->softirqs) != NR_SOFTIRQS);
	si_meminfo(&memory);
	lib_swap(&to->sequence, sequence); /* odd: the words below change */
	to->time = lib_now();
	to->started = lib_boot.tsc_nanoseconds;
	to->processes = to->threads = to->descriptors = 0;
	count_processes(to);
	to->runnable = nr_running();
	to->forks = total_forks;
	to->context_switches = nr_context_switches();
	to->interrupts = lib_interrupts;
	for (i = 0; i < NR_SOFTIRQS; i++)
		to->softirqs[i] = kstat_cpu(0).softirqs[i];
	for (i = 0; i < 3; i++)
		to->load[i] = avenrun[i];
	to->memory_total = (u64)memory.totalram << PAGE_SHIFT;
	to->memory_free = (u64)memory.freeram << PAGE_SHIFT;
	to->memory_available = si_mem_available() << PAGE_SHIFT;
	to->page_cache = pages(NR_FILE_PAGES);
	to->page_cache_dirty = pages(NR_FILE_DIRTY) + pages(NR_WRITEBACK);
	to->shared = pages(NR_SHMEM);
	to->slab_reclaimable = pages(NR_SLAB_RECLAIMABLE_B);
	to->slab_unreclaimable = pages(NR_SLAB_UNRECLAIMABLE_B);
	to->kernel_stacks = (u64)global_node_page_state(NR_KERNEL_STACK_KB) << 10;
	lib_swap(&to->sequence, sequence + 1);
}
