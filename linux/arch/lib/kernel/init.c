// SPDX-License-Identifier: GPL-2.0
/*
 * Process 1, and exec. No program of the kernel's own is ever run: exec does the kernel's half (close-on-exec, ids,
 * names, the arguments for /proc), whatever the file holds, and the embedder maps and starts the program. Process 1
 * "executes" an empty /init, and is then outside like any task, waiting for a carrier.
 */
#include <linux/binfmts.h>
#include <linux/elf.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/task_work.h>
#include <asm/lib.h>

/* Where the argument strings of a new address space end: argc of them, from `at`. */
static unsigned long end_of_strings(struct mm_struct *mm, unsigned long at, int count)
{
	char part[128];

	while (count > 0) {
		int i, size = access_remote_vm(mm, at, part, min_t(unsigned long, sizeof(part), STACK_TOP - at), 0);

		if (size <= 0)
			break;
		for (i = 0; i < size && count > 0; i++)
			count -= !part[i];
		at += i;
	}
	return at;
}

static int load(struct linux_binprm *bprm)
{
	struct mm_struct *mm;
	int error = begin_new_exec(bprm);

	if (error)
		return error;
	setup_new_exec(bprm);
	error = setup_arg_pages(bprm, STACK_TOP, EXSTACK_DEFAULT);
	if (error)
		return error;
	mm = current->mm;
	mm->start_stack = bprm->p;
	mm->arg_start = bprm->p;
	mm->arg_end = mm->env_start = end_of_strings(mm, mm->arg_start, bprm->argc);
	mm->env_end = end_of_strings(mm, mm->env_start, bprm->envc);
	finalize_exec(bprm);
	return 0;
}

static struct linux_binfmt format = { .load_binary = load };

static int __init register_format(void)
{
	register_binfmt(&format);
	return 0;
}
core_initcall_sync(register_format); /* behind #! scripts, which give us their interpreter */

static int __init make_init(void)
{
	struct file *file = filp_open("/init", O_CREAT | O_WRONLY, 0700);

	if (IS_ERR(file))
		return PTR_ERR(file);
	fput(file);
	task_work_run(); /* what fput() put off: while the file is open for writing, exec would say ETXTBSY */
	return 0;
}
late_initcall(make_init);
