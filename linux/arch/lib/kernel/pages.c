// SPDX-License-Identifier: GPL-2.0
/*
 * File pages for guests. A guest's mapping of a file is a mapping of the memory file, page by page where the page cache
 * has them: one copy for all who map, read and write it. The address space of the task has the same mapping, so that
 * who may map what, fork, munmap, truncation and /proc are the kernel's own.
 *
 * Nothing here can take a page out of a host process's mapping. So each that was given out is pinned until the task
 * unmaps it or ends, and after a truncation stays what it was.
 */
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/lib.h>
#include <asm/mmu_context.h>
#include <asm/version.h>

/* Shared by all address spaces that were forked from each other. */
struct pages {
	refcount_t users;
	unsigned int count;
	bool write;
	struct page *page[];
};

struct lib_pins {
	struct lib_pins *next;
	unsigned long start;
	struct pages *pages;
};

static void put_pages(struct pages *pages)
{
	unsigned int i;

	if (!refcount_dec_and_test(&pages->users))
		return;
	for (i = 0; i < pages->count; i++) {
		put_page(pages->page[i]);
		lib_leave_window(pages->page[i]);
	}
	kvfree(pages);
}

static int pin(struct mm_struct *mm, unsigned long start, struct pages *pages)
{
	struct lib_pins *pin = kmalloc(sizeof(*pin), GFP_KERNEL);

	if (!pin)
		return -ENOMEM;
	*pin = (struct lib_pins){ mm->context.pins, start, pages };
	mm->context.pins = pin;
	return 0;
}

/* The file that is mapped shared at all of [address, end), with its reference; or NULL. */
static struct file *shared_file(unsigned long address, unsigned long end)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	struct file *file = NULL;

	if (mmap_read_lock_killable(mm))
		return NULL;
	vma = vma_lookup(mm, address);
	if (vma && end <= vma->vm_end && vma->vm_flags & VM_MAYSHARE && vma->vm_file &&
	    S_ISREG(file_inode(vma->vm_file)->i_mode))
		file = get_file(vma->vm_file);
	mmap_read_unlock(mm);
	return file;
}

/* With a window, pages are given out that are in it, and no others. */
static long get_pages(unsigned long address, unsigned long count, unsigned int how, struct page **pages)
{
	unsigned int tries, now = how & ~FOLL_WRITE; /* what is moved before it is dirty need not be written before */
	long got = -EBUSY, moved, i;
	struct file *file;

	if (!lib_has_window())
		return get_user_pages_unlocked(address, count, pages, how);
	file = shared_file(address, address + count * PAGE_SIZE);
	if (!file)
		return -ENODEV;
	for (tries = 0; tries < 16; tries++) {
		got = get_user_pages_unlocked(address, count, pages, now);
		moved = got > 0 ? lib_move_into_window(file->f_mapping, pages, got) : 0;
		if (got <= 0 || (!moved && now == how))
			break;
		for (i = 0; i < got; i++)
			put_page(pages[i]);
		got = moved < 0 ? moved : -EBUSY;
		if (moved < 0)
			break;
		if (!moved)
			now = how;
	}
	fput(file);
	return got;
}

/* The pages of the files at `address`, which stay until they are unmapped there. How many, or -errno. */
static long give_pages(unsigned long address, unsigned long count, bool write, u64 *found)
{
	struct pages *pages = kvmalloc(struct_size(pages, page, count), GFP_KERNEL);
	long got, i, error;

	if (!pages)
		return -ENOMEM;
	got = get_pages(address, count, FOLL_FORCE | (write ? FOLL_WRITE : 0), pages->page);
	if (got <= 0) {
		kvfree(pages);
		return got ? got : -EFAULT;
	}
	refcount_set(&pages->users, 1);
	pages->count = got;
	pages->write = write;
	for (i = 0; i < got; i++)
		found[i] = page_to_phys(pages->page[i]);
	error = pin(current->mm, address, pages);
	if (error) {
		put_pages(pages);
		return error;
	}
	return got;
}

/*
 * Copies from or to a page of a file that the task has mapped shared, and that need not be in its process's memory yet.
 * How many bytes, to the end of the page at most.
 */
long lib_copy_shared(u64 ours, u64 theirs, unsigned long size, bool write)
{
	unsigned long part = min(size, PAGE_SIZE - offset_in_page(theirs));
	struct file *file;
	struct page *page;
	void *at;

	if (!lib_has_window() || !current->mm || faulthandler_disabled())
		return 0;
	file = shared_file(theirs, theirs + 1);
	if (!file)
		return 0;
	fput(file);
	if (get_user_pages_unlocked(theirs & PAGE_MASK, 1, &page, write ? FOLL_WRITE : 0) != 1)
		return 0;
	at = page_address(page) + offset_in_page(theirs);
	if (write) {
		memcpy(at, (void *)ours, part);
		set_page_dirty_lock(page);
	} else {
		memcpy((void *)ours, at, part);
	}
	put_page(page);
	return part;
}

long lib_pages(unsigned long address, unsigned long count, bool write, u64 __user *to)
{
	u64 *found;
	long got;

	if (offset_in_page(address) || count > LIB_MOST_PAGES)
		return -EINVAL;
	found = kvmalloc_array(count, sizeof(*found), GFP_KERNEL);
	if (!found)
		return -ENOMEM;
	got = give_pages(address, count, write, found);
	if (got > 0 && copy_to_user(to, found, got * sizeof(*found)))
		got = -EFAULT;
	kvfree(found);
	return got;
}

#define HOST_MMAP 9
#define HOST_FUTEX 202
#define HOST_FUTEX_WAIT_PRIVATE 128
#define HOST_MAP_SHARED_FIXED 0x11
#define HOST_MAP_PRIVATE_FIXED 0x12
#define MOST_AROUND 64
#define MOST_AROUND_TEXT LIB_MOST_PAGES /* a program runs here and there in it, and readahead has it in large pieces */

/* Whether the host has a page there that can be read. A look that faults in nobody's handler: a wait of no time. */
static bool is_there(unsigned long page)
{
	static const struct { s64 seconds, nanoseconds; } no_time;

	return lib_host(HOST_FUTEX, page, HOST_FUTEX_WAIT_PRIVATE, 0, (long)&no_time, 0, 0) != -EFAULT;
}

/* How many of `count` pages from `page` on, the first apart, no pin but the newest has. */
static unsigned long before_pinned(struct mm_struct *mm, unsigned long page, unsigned long count)
{
	struct lib_pins *pin;

	for (pin = mm->context.pins->next; pin; pin = pin->next) {
		unsigned long end = pin->start + ((unsigned long)pin->pages->count << PAGE_SHIFT);

		if (end <= page + PAGE_SIZE || pin->start >= page + (count << PAGE_SHIFT))
			continue;
		count = pin->start > page ? (pin->start - page) >> PAGE_SHIFT : 1;
	}
	return count;
}

/*
 * A private page that has been written must never be replaced. It was given out first, so it is pinned, and with a private
 * mapping only what is not pinned comes along; for the page itself the host knows whether somebody else was first. Between
 * these looks and the mapping nothing sleeps, and all who map after a fault come here. With mmap_lock; how many are there
 * now.
 */
static long map_found(struct mm_struct *mm, unsigned long page, bool shared, const u64 *found, long got)
{
	struct vm_area_struct *vma = find_vma(mm, page);
	long i, run, at, protection;

	if (!vma || vma->vm_start > page || !vma->vm_file || !!(vma->vm_flags & VM_SHARED) != shared)
		return 0;
	protection = vma->vm_flags & (VM_READ | VM_WRITE | VM_EXEC); /* the host's numbers are the same */
	got = min_t(long, got, (vma->vm_end - page) >> PAGE_SHIFT);
	if (!shared && is_there(page))
		return 1;
	if (!shared)
		got = before_pinned(mm, page, got);
	for (i = 0; i < got; i += run) {
		for (run = 1; i + run < got && found[i + run] == found[i] + run * PAGE_SIZE; run++)
			;
		at = lib_host(HOST_MMAP, page + i * PAGE_SIZE, run * PAGE_SIZE, protection,
			      shared ? HOST_MAP_SHARED_FIXED : HOST_MAP_PRIVATE_FIXED, lib_boot.memory_fd, found[i]);
		if (at < 0 && at > -4096)
			break;
	}
	return i;
}

/*
 * Maps the page at `address` into the calling process, which has found nothing there but that a file should be, and those
 * behind it. False: there is none to be had.
 */
bool lib_touch(unsigned long address)
{
	unsigned long page = address & PAGE_MASK, count;
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	bool shared, write;
	u64 *found;
	long got;

	if (!mm || lib_boot.memory_fd <= 0 || (page >= LIB_RESERVED && page < LIB_END) || mmap_read_lock_killable(mm))
		return false;
	vma = vma_lookup(mm, page);
	if (!vma || !vma->vm_file) {
		mmap_read_unlock(mm);
		return false;
	}
	shared = vma->vm_flags & VM_SHARED;
	write = vma->vm_flags & VM_WRITE;
	count = vma->vm_flags & VM_EXEC ? MOST_AROUND_TEXT : MOST_AROUND;
	count = min(count, (vma->vm_end - page) >> PAGE_SHIFT);
	mmap_read_unlock(mm);

	found = kmalloc_array(count, sizeof(*found), GFP_KERNEL);
	got = found ? give_pages(page, count, shared && write, found) : -ENOMEM;
	if (got > 0 && !mmap_read_lock_killable(mm)) {
		got = map_found(mm, page, shared, found, got);
		mmap_read_unlock(mm);
	} else {
		got = 0;
	}
	kfree(found);
	return got > 0;
}

long lib_area(unsigned long address, struct lib_area __user *to)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	struct lib_area area = {};

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	for (vma = find_vma(mm, address); vma && !vma->vm_file; vma = find_vma(mm, vma->vm_end))
		;
	if (vma)
		area = (struct lib_area){ vma->vm_start, vma->vm_end, (u64)vma->vm_pgoff << PAGE_SHIFT,
			!!(vma->vm_flags & VM_READ), !!(vma->vm_flags & VM_WRITE), !!(vma->vm_flags & VM_EXEC),
			!!(vma->vm_flags & VM_MAYSHARE) };
	mmap_read_unlock(mm);
	if (!area.end)
		return -ENOENT;
	return copy_to_user(to, &area, sizeof(area)) ? -EFAULT : 0;
}

int arch_dup_mmap(struct mm_struct *from, struct mm_struct *to)
{
	struct lib_pins *each;

	for (each = from->context.pins; each; each = each->next) {
		refcount_inc(&each->pages->users);
		if (pin(to, each->start, each->pages)) {
			put_pages(each->pages);
			return -ENOMEM;
		}
	}
	return 0;
}

static void unpin(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct lib_pins **link = &mm->context.pins, *each, *found = NULL;
	unsigned int i;

	/* All are out of the list before the first of them sleeps: two threads may unmap at once. */
	while ((each = *link)) {
		unsigned long last = each->start + each->pages->count * PAGE_SIZE;

		/* What is unmapped in parts stays pinned until all of it is. */
		if (each->start < start || last > end) {
			link = &each->next;
			continue;
		}
		*link = each->next;
		each->next = found;
		found = each;
	}
	while ((each = found)) {
		found = each->next;
		/* Nobody saw the host write. */
		if (each->pages->write)
			for (i = 0; i < each->pages->count; i++)
				set_page_dirty_lock(each->pages->page[i]);
		put_pages(each->pages);
		kfree(each);
	}
}

#if LINUX_SINCE(6, 12)
/* No hook for architectures any more: the linker wraps what every unmapping comes to. */
void __real_unmap_vmas(struct mmu_gather *tlb, struct ma_state *state, struct vm_area_struct *vma, unsigned long start,
		       unsigned long end, unsigned long tree_end, bool write_locked);
void __wrap_unmap_vmas(struct mmu_gather *tlb, struct ma_state *state, struct vm_area_struct *vma, unsigned long start,
		       unsigned long end, unsigned long tree_end, bool write_locked);
void __wrap_unmap_vmas(struct mmu_gather *tlb, struct ma_state *state, struct vm_area_struct *vma, unsigned long start,
		       unsigned long end, unsigned long tree_end, bool write_locked)
{
	unpin(vma->vm_mm, start, end);
	__real_unmap_vmas(tlb, state, vma, start, end, tree_end, write_locked);
}
#else
void arch_unmap(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	unpin(mm, start, end);
}
#endif

void arch_exit_mmap(struct mm_struct *mm)
{
	unpin(mm, 0, ULONG_MAX);
	lib_forget_resident(mm);
}
