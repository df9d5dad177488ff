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
#include <asm/version.h>

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
static bool replace(struct folio *old, struct folio *new, int most)
{
	struct address_space *mapping = old->mapping;
	bool dirty;

	if (!mapping || folio_test_anon(old) || folio_test_large(old) || !folio_test_uptodate(old))
		return false;
	unmap_mapping_pages(mapping, old->index, 1, false); /* may find it dirty */
	folio_wait_writeback(old);
	if (folio_mapped(old) || (folio_has_private(old) && !filemap_release_folio(old, GFP_KERNEL)))
		return false;
	if (folio_ref_count(old) > most) /* nothing sleeps from here on */
		return false;
	copy_page(folio_address(new), folio_address(old));
	folio_mark_uptodate(new);
	if (folio_test_swapbacked(old))
		__folio_set_swapbacked(new);
	if (folio_test_mappedtodisk(old))
		folio_set_mappedtodisk(new);
	dirty = folio_test_dirty(old);
	replace_page_cache_folio(old, new);
	if (dirty) { /* the counts and the file's marks stay as they are */
		folio_clear_dirty(old);
		folio_set_dirty(new);
	}
	return true;
}

/* A page that no file has any more, as if it were new, locked. */
static bool take(struct folio *folio)
{
	if (folio_ref_count(folio) != 1 || folio->mapping || !folio_trylock(folio))
		return false;
	folio_clear_reserved(folio);
	mem_cgroup_uncharge(folio);
	folio_clear_uptodate(folio);
	folio_clear_dirty(folio);
	folio_clear_error(folio);
	folio_clear_referenced(folio);
	folio_clear_active(folio);
	folio_clear_workingset(folio);
	folio_clear_checked(folio);
	folio_clear_mappedtodisk(folio);
	__folio_clear_swapbacked(folio);
	return true;
}

/* A page of a file's that no guest has goes back to where others are: but for its file's, the reference is ours alone. */
static bool move_out(struct folio *folio)
{
	struct folio *new;
	bool done = false;

	if (folio_ref_count(folio) - folio_mapcount(folio) != 2 || !folio->mapping || !(new = folio_alloc(GFP_KERNEL, 0)))
		return false;
	if (folio_trylock(folio)) {
		__folio_set_locked(new);
		done = replace(folio, new, 2);
		folio_unlock(folio);
		if (done)
			folio_add_lru(new);
		folio_unlock(new);
	}
	folio_put(new);
	return done;
}

static struct folio *find_free(void)
{
	unsigned long tries;
	int round;

	for (round = 0; round < 2; round++)
		for (tries = 0; tries < count; tries++) {
			struct folio *folio = page_folio(pfn_to_page(first + next));

			next = (next + 1) % count;
			if (round && !move_out(folio))
				continue;
			if (take(folio))
				return folio;
		}
	return NULL;
}

static int move_in(struct folio *folio, struct address_space *mapping)
{
	struct folio *new;
	loff_t at = folio_pos(folio);
	int error = 0;

	/* Buffers that are dirty cannot be let go of. */
	if (folio_has_private(folio) && (error = filemap_write_and_wait_range(mapping, at, at + PAGE_SIZE - 1)))
		return error;
	new = find_free();
	if (!new)
		return -ENOMEM;
	folio_lock(folio);
	/* One that was cut off or moved meanwhile is looked up again. */
	if (folio->mapping == mapping && !replace(folio, new, INT_MAX))
		error = -EAGAIN;
	folio_unlock(folio);
	folio_unlock(new);
	return error;
}

/* A guest has let go of the page. What is not written yet stays until there is need. */
void lib_leave_window(struct page *page)
{
	if (is_inside(page))
		move_out(page_folio(page));
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
		error = move_in(page_folio(pages[i]), mapping);
		if (error && error != -EAGAIN)
			return error;
		moved++;
	}
	return moved;
}
