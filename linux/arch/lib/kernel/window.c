// SPDX-License-Identifier: GPL-2.0
/*
 * The window: physical memory behind the rest, for pages of files that are mapped shared where guests may not have the
 * rest in their memory. Whoever maps a file so has its pages moved here, and all who map, read and write it go on with
 * that one copy.
 *
 * The page allocator never has one of these pages, so nothing but a file's content is ever in them: each is reserved, and
 * the reference that it had then is never given back. A page with no other reference and no file is free.
 */
#include <linux/init.h>
#include <linux/memblock.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/swap.h>
#include <asm/lib.h>

static unsigned long first, count, next; /* the first is a page frame's number */

static int __init set_size(char *text)
{
	count = memparse(text, &text) >> PAGE_SHIFT;
	return 0;
}
early_param("window", set_size);

void __init lib_reserve_window(void)
{
	first = lib_boot.memory >> PAGE_SHIFT;
	memblock_add(lib_boot.memory, count << PAGE_SHIFT);
	memblock_reserve(lib_boot.memory, count << PAGE_SHIFT);
	max_low_pfn = max_pfn = max_mapnr = first + count;
}

bool lib_has_window(void)
{
	return count;
}

static bool is_inside(struct page *page)
{
	return page_to_pfn(page) >= first && page_to_pfn(page) - first < count;
}

/* Puts `new`, which nobody else knows, in the place of `old` in its file; both are locked. Not if `old` has more references
 * than `most`. */
static bool replace(struct page *old, struct page *new, int most)
{
	struct address_space *mapping = old->mapping;
	bool dirty;

	if (!mapping || PageAnon(old) || PageCompound(old) || !PageUptodate(old))
		return false;
	unmap_mapping_pages(mapping, old->index, 1, false); /* may find it dirty */
	wait_on_page_writeback(old);
	if (page_mapped(old) || (page_has_private(old) && !try_to_release_page(old, GFP_KERNEL)))
		return false;
	if (page_count(old) > most) /* nothing sleeps from here on */
		return false;
	copy_page(page_address(new), page_address(old));
	SetPageUptodate(new);
	if (PageSwapBacked(old))
		__SetPageSwapBacked(new);
	if (PageMappedToDisk(old))
		SetPageMappedToDisk(new);
	dirty = PageDirty(old);
	replace_page_cache_page(old, new);
	if (dirty) { /* the counts and the file's marks stay as they are */
		ClearPageDirty(old);
		SetPageDirty(new);
	}
	return true;
}

/* A page that no file has any more, as if it were new, locked. */
static bool take(struct page *page)
{
	if (page_count(page) != 1 || page->mapping || !trylock_page(page))
		return false;
	ClearPageReserved(page);
	mem_cgroup_uncharge(page_folio(page));
	ClearPageUptodate(page);
	ClearPageDirty(page);
	ClearPageError(page);
	ClearPageReferenced(page);
	ClearPageActive(page);
	ClearPageWorkingset(page);
	ClearPageChecked(page);
	ClearPageMappedToDisk(page);
	__ClearPageSwapBacked(page);
	return true;
}

/* A page of a file's that no guest has goes back to where others are: but for its file's, the reference is ours alone. */
static bool move_out(struct page *page)
{
	struct page *new;
	bool done = false;

	if (page_count(page) - page_mapcount(page) != 2 || !page->mapping || !(new = alloc_page(GFP_KERNEL)))
		return false;
	if (trylock_page(page)) {
		__SetPageLocked(new);
		done = replace(page, new, 2);
		unlock_page(page);
		if (done)
			lru_cache_add(new);
		unlock_page(new);
	}
	put_page(new);
	return done;
}

static struct page *find_free(void)
{
	unsigned long tries;
	int round;

	for (round = 0; round < 2; round++)
		for (tries = 0; tries < count; tries++) {
			struct page *page = pfn_to_page(first + next);

			next = (next + 1) % count;
			if (round && !move_out(page))
				continue;
			if (take(page))
				return page;
		}
	return NULL;
}

static int move_in(struct page *page, struct address_space *mapping)
{
	struct page *new;
	loff_t at = page_offset(page);
	int error = 0;

	/* Buffers that are dirty cannot be let go of. */
	if (page_has_private(page) && (error = filemap_write_and_wait_range(mapping, at, at + PAGE_SIZE - 1)))
		return error;
	new = find_free();
	if (!new)
		return -ENOMEM;
	lock_page(page);
	/* One that was cut off or moved meanwhile is looked up again. */
	if (page->mapping == mapping && !replace(page, new, INT_MAX))
		error = -EAGAIN;
	unlock_page(page);
	unlock_page(new);
	return error;
}

/* A guest has let go of the page. What is not written yet stays until there is need. */
void lib_leave_window(struct page *page)
{
	if (is_inside(page))
		move_out(page);
}

/* Moves those of the pages that are elsewhere: then they are to be looked up again. How many, or -errno. */
long lib_move_into_window(struct address_space *mapping, struct page **pages, unsigned long number)
{
	unsigned long i;
	long moved = 0;

	for (i = 0; i < number; i++) {
		int error;

		if (is_inside(pages[i]))
			continue;
		error = move_in(pages[i], mapping);
		if (error && error != -EAGAIN)
			return error;
		moved++;
	}
	return moved;
}
