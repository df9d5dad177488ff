// SPDX-License-Identifier: GPL-2.0
/* User memory: the parts that are not worth inlining, and those of another process. */
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <asm/futex.h>
#include <asm/lib.h>

#define HOST_PROCESS_VM_READV 310
#define HOST_PROCESS_VM_WRITEV 311

struct host_iovec {
	u64 base, size;
};

/* What is left to copy. The host's call stops at the first page that is not there, so a short count is exact to a page;
 * the rest is tried again from there, and only what moves nothing is over. */
static unsigned long other(long call, u64 ours, u64 theirs, unsigned long size)
{
	while (size && lib_memory_of > 0) {
		struct host_iovec local = { ours, size }, remote = { theirs, size };
		long moved = lib_host(call, lib_memory_of, (long)&local, 1, (long)&remote, 1, 0);

		if (moved <= 0)
			moved = lib_copy_shared(ours, theirs, size, call == HOST_PROCESS_VM_WRITEV);
		if (moved <= 0)
			break;
		ours += moved;
		theirs += moved;
		size -= moved;
	}
	return size;
}

unsigned long lib_read_other(void *to, const void __user *from, unsigned long size)
{
	return other(HOST_PROCESS_VM_READV, (u64)to, (u64)from, size);
}
EXPORT_SYMBOL(lib_read_other);

unsigned long lib_write_other(void __user *to, const void *from, unsigned long size)
{
	return other(HOST_PROCESS_VM_WRITEV, (u64)from, (u64)to, size);
}
EXPORT_SYMBOL(lib_write_other);

unsigned long lib_clear_user(void __user *to, unsigned long size)
{
	if (lib_memory_of == LIB_MEMORY_OWN)
		return lib_clear((void __force *)to, size);
	while (size) {
		unsigned long part = min(size, PAGE_SIZE);
		unsigned long left = lib_write_other(to, empty_zero_page, part);

		to += part - left;
		size -= part - left;
		if (left)
			break;
	}
	return size;
}
EXPORT_SYMBOL(lib_clear_user);

/* Copies up to a NUL or `count` bytes; the length without the NUL, `count` if there was none, or -EFAULT. */
long strncpy_from_user(char *to, const char __user *from, long count)
{
	long done = 0;

	might_fault();
	if (count <= 0)
		return 0;
	if (!access_ok(from, 1))
		return -EFAULT;
	while (done < count) {
		/* Never over the end of a page before its last byte is known to be needed. */
		long part = min_t(long, count - done, PAGE_SIZE - offset_in_page(from + done));
		long left, length;

		part = min_t(long, part, 128);
		left = raw_copy_from_user(to + done, from + done, part);
		length = strnlen(to + done, part - left);
		if (length < part - left)
			return done + length;
		if (left)
			return -EFAULT;
		done += part;
	}
	return done;
}
EXPORT_SYMBOL(strncpy_from_user);

/* The size of the string with its NUL; more than `count` if there is none within it; 0 for a fault. */
long strnlen_user(const char __user *string, long count)
{
	char part[128];
	long done = 0;

	might_fault();
	if (count <= 0 || !access_ok(string, 1))
		return 0;
	while (done < count) {
		long size = min_t(long, min_t(long, count - done, sizeof(part)),
				  PAGE_SIZE - offset_in_page(string + done));
		long left = raw_copy_from_user(part, string + done, size);
		long length = strnlen(part, size - left);

		if (length < size - left)
			return done + length + 1;
		if (left)
			return 0;
		done += size;
	}
	return count + 1;
}
EXPORT_SYMBOL(strnlen_user);

int lib_futex_op(int op, int oparg, int *oldval, u32 __user *uaddr)
{
	return -ENOSYS; /* futexes on user memory are the host's */
}

int lib_futex_cmpxchg(u32 *uval, u32 __user *uaddr, u32 oldval, u32 newval)
{
	return -ENOSYS;
}
