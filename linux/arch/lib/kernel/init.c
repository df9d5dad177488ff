// SPDX-License-Identifier: GPL-2.0
/*
 * Process 1, and exec. No program of the kernel's own is ever run: exec does the kernel's half (close-on-exec, ids,
 * names, the arguments for /proc), whatever the file holds, and the embedder maps and starts the program. Process 1
 * "executes" an empty /init, and is then outside like any task, waiting for a carrier.
 */
#include <linux/binfmts.h>
#include <linux/cred.h>
#include <linux/elf.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/personality.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/task_work.h>
#include <linux/uaccess.h>
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

/* A host thread that runs programs needs one that it can run; after this exec there is no way back. */
static bool can_run(struct linux_binprm *bprm)
{
	const struct elf64_hdr *header = (void *)bprm->buf;

	if (!current->thread.home || !current->thread.home->kick)
		return true; /* an embedder that maps what it wants */
	return !memcmp(header->e_ident, ELFMAG, SELFMAG) && header->e_ident[EI_CLASS] == ELFCLASS64 &&
	       (header->e_type == ET_EXEC || header->e_type == ET_DYN) && elf_check_arch(header) &&
	       header->e_phentsize == sizeof(struct elf64_phdr) && header->e_phnum;
}

/*
 * Whether the interpreter that the program names, if it does, is there and may be run: the run-time is to map it when there
 * is no way back. Once before that is enough, as whoever takes it away in between ends with SIGSEGV, as on any Linux.
 */
static int check_interpreter(struct linux_binprm *bprm)
{
	const struct elf64_hdr *header = (const struct elf64_hdr *)bprm->buf;
	struct elf64_phdr segment;
	struct file *interpreter;
	unsigned int i;
	char *name;

	if (!current->thread.home || !current->thread.home->kick)
		return 0;
	for (i = 0; i < header->e_phnum; i++) {
		loff_t at = header->e_phoff + i * sizeof(segment);

		if (kernel_read(bprm->file, &segment, sizeof(segment), &at) != sizeof(segment))
			return -ENOEXEC;
		if (segment.p_type != PT_INTERP)
			continue;
		if (segment.p_filesz < 2 || segment.p_filesz > PATH_MAX)
			return -ENOEXEC;
		name = kzalloc(segment.p_filesz, GFP_KERNEL);
		if (!name)
			return -ENOMEM;
		at = segment.p_offset;
		if (kernel_read(bprm->file, name, segment.p_filesz, &at) != segment.p_filesz ||
		    name[segment.p_filesz - 1]) {
			kfree(name);
			return -ENOEXEC;
		}
		interpreter = open_exec(name);
		kfree(name);
		if (IS_ERR(interpreter))
			return PTR_ERR(interpreter);
		allow_write_access(interpreter);
		fput(interpreter);
		return 0;
	}
	return 0;
}

static int load(struct linux_binprm *bprm)
{
	struct mm_struct *mm;
	int error;

	if (!can_run(bprm))
		return -ENOEXEC;
	error = check_interpreter(bprm);
	if (error)
		return error;
	lib_account(current);
	current->thread.cpu_time = current->group_leader->thread.cpu_time; /* it is the leader from now on */
	error = begin_new_exec(bprm);
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
	current->thread.exec_secure = bprm->secureexec;
	current->thread.exec_argc = bprm->argc;
	current->thread.exec_envc = bprm->envc;
	current->thread.exec_end = end_of_strings(mm, mm->env_end, 1); /* the file's name */
	finalize_exec(bprm);
	return 0;
}

static u64 random_pages(unsigned int bits)
{
	return (get_random_u64() >> (64 - bits)) << PAGE_SHIFT;
}

/*
 * As many bits as on x86: a tebibyte for the program, 32 MiB for the heap. Mappings get 256 MiB, besides what the host has
 * chosen for all processes of the sandbox: the host walks through the tables of the hole at each fork and exec, which for
 * one of a GiB and more costs a fork with exec and exit a tenth.
 */
static void choose_places(struct lib_exec *left)
{
	if (!randomize_va_space || current->personality & ADDR_NO_RANDOMIZE)
		return;
	left->move_program = random_pages(28);
	left->move_mappings = random_pages(16);
	if (randomize_va_space > 1)
		left->move_heap = random_pages(13);
}

/* What an exec leaves to do: LIB_CALL_EXEC. */
long lib_exec_left(struct lib_exec __user *to, char __user *strings, unsigned long size, unsigned long heap)
{
	const struct cred *cred = current_cred();
	struct mm_struct *mm = current->mm;
	struct lib_exec left = {};
	unsigned long at;
	struct file *file;

	if (!to) {
		char part[256];

		mm->start_stack = (unsigned long)strings; /* from now on the program's own, for its name in /proc */
		mm->start_brk = mm->brk = heap; /* the same; to grow it is the embedder's */
		for (at = 0; at < size; at += sizeof(part)) {
			int length = min_t(unsigned long, sizeof(part), size - at);

			if (access_remote_vm(mm, mm->arg_start + at, part, length, 0) != length ||
			    copy_to_user(strings + at, part, length))
				return -EFAULT;
		}
		return 0;
	}
	left.argc = current->thread.exec_argc;
	left.envc = current->thread.exec_envc;
	left.secure = current->thread.exec_secure;
	left.uid = from_kuid_munged(cred->user_ns, cred->uid);
	left.euid = from_kuid_munged(cred->user_ns, cred->euid);
	left.gid = from_kgid_munged(cred->user_ns, cred->gid);
	left.egid = from_kgid_munged(cred->user_ns, cred->egid);
	choose_places(&left);
	left.strings_at = mm->arg_start;
	left.strings_size = current->thread.exec_end - mm->arg_start;
	file = get_task_exe_file(current);
	if (!file)
		return -ENOENT;
	left.fd = get_unused_fd_flags(O_CLOEXEC);
	if (left.fd < 0) {
		fput(file);
		return left.fd;
	}
	fd_install(left.fd, file);
	return copy_to_user(to, &left, sizeof(left)) ? -EFAULT : 0;
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
