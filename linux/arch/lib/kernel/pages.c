// SPDX-License-Identifier: GPL-2.0
/*
 * File pages for guests. A guest's mapping of a file is a mapping of the memory file, page by page where the page cache
 * has them: one copy for all who map, read and write it. The address space of the task has the same mapping, so that
 * who may map what, fork, munmap, truncation and /proc are the kernel's own.
 *
 * Nothing here can take a page out of a host process's mapping. So each that was given out is pinned until the task
 * unmaps it or ends, and after a truncation stays what it was.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/lib.h>
#include <asm/mmu_context.h>

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
		/* Nobody saw the host write. */
		if (pages->write)
			set_page_dirty_lock(pages->page[i]);
		put_page(pages->page[i]);
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

long lib_pages(unsigned long address, unsigned long count, bool write, u64 __user *to)
{
	struct pages *pages;
	u64 *found;
	long got, i, error = -EFAULT;

	if (offset_in_page(address) || count > LIB_MOST_PAGES)
		return -EINVAL;
	pages = kvmalloc(struct_size(pages, page, count), GFP_KERNEL);
	found = kvmalloc_array(count, sizeof(*found), GFP_KERNEL);
	if (!pages || !found) {
		kvfree(pages);
		kvfree(found);
		return -ENOMEM;
	}
	got = get_user_pages_unlocked(address, count, pages->page, FOLL_FORCE | (write ? FOLL_WRITE : 0));
	if (got <= 0) {
		kvfree(found);
		kvfree(pages);
		return got;
	}
	refcount_set(&pages->users, 1);
	pages->count = got;
	pages->write = write;
	for (i = 0; i < got; i++)
		found[i] = page_to_phys(pages->page[i]);
	if (!copy_to_user(to, found, got * sizeof(*found)))
		error = pin(current->mm, address, pages);
	kvfree(found);
	if (error) {
		put_pages(pages);
		return error;
	}
	return got;
}

long lib_area(unsigned long address, struct lib_area __user *to)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	struct lib_area area = {};

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = find_vma(mm, address);
	if (vma && vma->vm_start >= LIB_RESERVED && vma->vm_start < LIB_END)
		vma = find_vma(mm, LIB_END); /* in between is only that of the arguments */
	if (vma)
		area = (struct lib_area){ vma->vm_start, vma->vm_end, (u64)vma->vm_pgoff << PAGE_SHIFT,
			!!(vma->vm_flags & VM_READ), !!(vma->vm_flags & VM_WRITE), !!(vma->vm_flags & VM_EXEC),
			!!(vma->vm_flags & VM_SHARED) };
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
	struct lib_pins **link = &mm->context.pins, *each;

	while ((each = *link)) {
		unsigned long last = each->start + each->pages->count * PAGE_SIZE;

		/* What is unmapped in parts stays pinned until all of it is. */
		if (each->start < start || last > end) {
			link = &each->next;
			continue;
		}
		*link = each->next;
		put_pages(each->pages);
		kfree(each);
	}
}

void arch_unmap(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	unpin(mm, start, end);
}

void arch_exit_mmap(struct mm_struct *mm)
{
	unpin(mm, 0, ULONG_MAX);
}
