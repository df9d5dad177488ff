/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_VERSION_H
#define _ASM_LIB_VERSION_H

/*
 * What differs between the versions of Linux that the port is built with. It is written for the newest; here older ones
 * get the newer names. The few places where more than a name differs ask LINUX_SINCE.
 */
#include <linux/version.h>

#define LINUX_SINCE(major, minor) (LINUX_VERSION_CODE >= KERNEL_VERSION(major, minor, 0))

/* mm/filemap.c */
#if !LINUX_SINCE(6, 2)
#define replace_page_cache_folio(old, new) replace_page_cache_page(&(old)->page, &(new)->page)
#endif

/* asm/pgtable.h: asked by /proc/kcore. */
#if !LINUX_SINCE(6, 3)
#define kern_addr_valid(address) 1
#endif

/* asm/pgtable.h: several entries at once; a writable one that knows of no vma. Page tables have a type of their own. */
#if !LINUX_SINCE(6, 6)
#define set_pte_at(mm, address, ptep, pte) set_pte(ptep, pte)
#define pte_mkwrite_novma pte_mkwrite
#define page_ptdesc(page) (page)
#define pagetable_pte_dtor pgtable_pte_page_dtor
#define tlb_remove_page_ptdesc tlb_remove_page
#endif

/* A page's flag for failed reads and writes is no more. */
#if LINUX_SINCE(6, 12)
#define folio_clear_error(folio) do { } while (0)
#endif

#endif
