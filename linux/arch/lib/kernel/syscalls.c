// SPDX-License-Identifier: GPL-2.0
/* x86-64's table of system calls, and the embedder's own calls beside it. */
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/linkage.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/reboot.h>
#include <linux/sched/loadavg.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/sched/task.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>
#include <asm/lib.h>
#include <asm/syscall.h>

SYSCALL_DEFINE6(mmap, unsigned long, addr, unsigned long, len, unsigned long, prot, unsigned long, flags,
		unsigned long, fd, unsigned long, offset)
{
	if (offset_in_page(offset))
		return -EINVAL;
	return ksys_mmap_pgoff(addr, len, prot, flags, fd, offset >> PAGE_SHIFT);
}

/* What is the machine's, not the kernel's: the embedder does it, or nobody. */
SYSCALL_DEFINE0(rt_sigreturn) { return -ENOSYS; }
SYSCALL_DEFINE0(lib_machine) { return -ENOSYS; }
#define sys_arch_prctl sys_lib_machine
#define sys_modify_ldt sys_lib_machine
#define sys_iopl sys_lib_machine
#define sys_ioperm sys_lib_machine

/* cputime.c */
#define sys_setitimer lib_setitimer
#define sys_timer_settime lib_timer_settime
#define sys_setrlimit lib_setrlimit
#define sys_prlimit64 lib_prlimit64
#define sys_clock_nanosleep lib_clock_nanosleep

#define __SYSCALL(nr, sym) [nr] = (lib_call)(void *)sym,
#define __SYSCALL_NORETURN __SYSCALL
const lib_call lib_call_table[__NR_syscalls] = {
	[0 ... __NR_syscalls - 1] = (lib_call)(void *)sys_ni_syscall,
#include <asm/syscall_table_64.h>
};

/* The pid is the parent's word for it; the embedder needs that of the first namespace as well. */
static long clone_task(unsigned long flags, pid_t pid, int __user *pidfd)
{
	struct kernel_clone_args args = {
		.flags = flags & ~CSIGNAL & ~(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_VFORK),
		.exit_signal = flags & CSIGNAL,
		.pidfd = pidfd,
		.set_tid = pid ? &pid : NULL,
		.set_tid_size = pid ? 1 : 0,
	};
	long made = kernel_clone(&args);
	struct pid *known;

	if (rlimit(RLIMIT_CPU) != RLIM_INFINITY)
		lib_watch_cpu_time(); /* the child has it too */
	rcu_read_lock();
	known = made > 0 ? find_vpid(made) : NULL;
	lib_shared.carrier->cloned = known ? pid_nr(known) : 0;
	rcu_read_unlock();
	return made;
}

/* As if the hardware had told us. What came of it is delivered at the end of this call. */
static long fault(int number, int code, void __user *address)
{
	if (number < 1 || number > SIGRTMIN)
		return -EINVAL;
	return force_sig_fault(number, code, address);
}

static long statistics(struct lib_statistics __user *to)
{
	struct sysinfo info;
	struct lib_statistics statistics;

	si_meminfo(&info);
	statistics = (struct lib_statistics){
		.tasks = nr_threads,
		.runnable = nr_running(),
		.memory_total = info.totalram << PAGE_SHIFT,
		.memory_free = info.freeram << PAGE_SHIFT,
		.memory_cached = global_node_page_state(NR_FILE_PAGES) << PAGE_SHIFT,
		.memory_slab = (global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) +
				global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B)) << PAGE_SHIFT,
		.context_switches = nr_context_switches(),
		.interrupts = lib_interrupts,
		.deaths = lib_shared.deaths,
		.deaths_with_cpu = lib_shared.deaths_with_cpu,
		.up_nanoseconds = lib_now() - lib_boot.tsc_nanoseconds,
	};
	return copy_to_user(to, &statistics, sizeof(statistics)) ? -EFAULT : 0;
}

/* Newer ones warn of flushing a queue while holding a lock that its work needs; halt() holds none. */
#define __warn_flushing_systemwide_wq() do { } while (0)

/* File systems are made read-only rather than unmounted: whoever still holds a file in one must not leave it dirty. */
static long halt(void)
{
	ksys_sync();
	emergency_remount();
	flush_scheduled_work(); /* which does it */
	kernel_power_off();
	return -EIO;
}

long lib_special_call(struct pt_regs *regs)
{
	switch (regs->orig_ax) {
	case LIB_CALL_CLONE:
		return clone_task(regs->di, regs->si, (int __user *)regs->dx);
	case LIB_CALL_DEVICE_ADD:
		return lib_device_add(regs->di);
	case LIB_CALL_DEVICE_REMOVE:
		return lib_device_remove(regs->di);
	case LIB_CALL_HALT:
		return halt();
	case LIB_CALL_STATISTICS:
		return statistics((struct lib_statistics __user *)regs->di);
	case LIB_CALL_EXEC:
		return lib_exec_left((struct lib_exec __user *)regs->di, (char __user *)regs->si, regs->dx, regs->r10);
	case LIB_CALL_FAULT:
		return fault(regs->di, regs->si, (void __user *)regs->dx);
	case LIB_CALL_PAGES:
		return lib_pages(regs->di, regs->si, regs->dx, (u64 __user *)regs->r10);
	case LIB_CALL_AREA:
		return lib_area(regs->di, (struct lib_area __user *)regs->si);
	case LIB_CALL_TOUCH:
		return lib_touch(regs->di);
	case LIB_CALL_DISOWN:
		return is_global_init(current) ? lib_disown_process(regs->di) : -EPERM;
	default:
		return -ENOSYS;
	}
}
