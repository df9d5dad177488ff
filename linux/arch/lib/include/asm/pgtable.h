/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_PGTABLE_H
#define _ASM_LIB_PGTABLE_H

/*
 * Page tables that no hardware walks. Those of init_mm are the truth about vmalloc space: mm/fault.c maps a page of
 * the memory file when the host faults there. Those of tasks are for what the kernel keeps in their address spaces
 * itself (the arguments of exec); a task's own memory belongs to the host.
 */
#include <asm-generic/pgtable-nop4d.h>
#include <asm/page.h>
#include <asm/processor.h>
#include <asm/version.h>

#define PMD_SHIFT 21
#define PMD_SIZE (1UL << PMD_SHIFT)
#define PMD_MASK (~(PMD_SIZE - 1))
#define PUD_SHIFT 30
#define PUD_SIZE (1UL << PUD_SHIFT)
#define PUD_MASK (~(PUD_SIZE - 1))
#define PGDIR_SHIFT 39
#define PGDIR_SIZE (1UL << PGDIR_SHIFT)
#define PGDIR_MASK (~(PGDIR_SIZE - 1))
#define PTRS_PER_PTE 512
#define PTRS_PER_PMD 512
#define PTRS_PER_PUD 512
#define PTRS_PER_PGD 512
#define USER_PTRS_PER_PGD (TASK_SIZE / PGDIR_SIZE + 1)

#define VMALLOC_START LIB_VMALLOC
#define VMALLOC_END (LIB_VMALLOC + LIB_VMALLOC_SIZE)

#define _PAGE_PRESENT 0x001
#define _PAGE_WRITE 0x002
#define _PAGE_USER 0x004
#define _PAGE_PROTNONE 0x008 /* present, but nobody may touch it */
#define _PAGE_ACCESSED 0x020
#define _PAGE_DIRTY 0x040
#define _PAGE_SPECIAL 0x200
#define _PAGE_SWP_EXCLUSIVE 0x400
#define _PAGE_EXEC 0x800

#define _PAGE_BASE (_PAGE_PRESENT | _PAGE_ACCESSED)
#define _PAGE_TABLE (_PAGE_BASE | _PAGE_WRITE | _PAGE_USER | _PAGE_DIRTY)
#define _PAGE_CHG_MASK (PAGE_MASK | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_SPECIAL)

#define PAGE_NONE __pgprot(_PAGE_PROTNONE | _PAGE_ACCESSED)
#define PAGE_SHARED __pgprot(_PAGE_BASE | _PAGE_USER | _PAGE_WRITE)
#define PAGE_SHARED_EXEC __pgprot(_PAGE_BASE | _PAGE_USER | _PAGE_WRITE | _PAGE_EXEC)
#define PAGE_READONLY __pgprot(_PAGE_BASE | _PAGE_USER)
#define PAGE_READONLY_EXEC __pgprot(_PAGE_BASE | _PAGE_USER | _PAGE_EXEC)
#define PAGE_KERNEL __pgprot(_PAGE_BASE | _PAGE_WRITE | _PAGE_DIRTY)
#define PAGE_KERNEL_RO __pgprot(_PAGE_BASE)
#define PAGE_KERNEL_EXEC __pgprot(_PAGE_BASE | _PAGE_WRITE | _PAGE_DIRTY | _PAGE_EXEC)

#ifndef __ASSEMBLY__
#include <linux/mm_types.h>

extern pgd_t swapper_pg_dir[PTRS_PER_PGD];
extern unsigned long empty_zero_page[PAGE_SIZE / sizeof(unsigned long)];
#define ZERO_PAGE(vaddr) virt_to_page(empty_zero_page)

#define pte_ERROR(e) pr_err("%s:%d: bad pte %016lx\n", __FILE__, __LINE__, pte_val(e))
#define pmd_ERROR(e) pr_err("%s:%d: bad pmd %016lx\n", __FILE__, __LINE__, pmd_val(e))
#define pud_ERROR(e) pr_err("%s:%d: bad pud %016lx\n", __FILE__, __LINE__, pud_val(e))
#define pgd_ERROR(e) pr_err("%s:%d: bad pgd %016lx\n", __FILE__, __LINE__, pgd_val(e))

#define set_pte(ptep, pte) (*(ptep) = (pte))
#define set_pmd(pmdp, pmd) (*(pmdp) = (pmd))
#define set_pud(pudp, pud) (*(pudp) = (pud))
#define set_p4d(p4dp, p4d) (*(p4dp) = (p4d))

#define pte_none(x) (!pte_val(x))
#define pte_present(x) (pte_val(x) & (_PAGE_PRESENT | _PAGE_PROTNONE))
#define pte_clear(mm, addr, ptep) set_pte(ptep, __pte(0))
#define pmd_none(x) (!pmd_val(x))
#define pmd_present(x) (pmd_val(x) & _PAGE_PRESENT)
#define pmd_bad(x) ((pmd_val(x) & ~PAGE_MASK) != _PAGE_TABLE)
#define pmd_clear(xp) set_pmd(xp, __pmd(0))
#define pmd_leaf(x) 0
#define pud_none(x) (!pud_val(x))
#define pud_present(x) (pud_val(x) & _PAGE_PRESENT)
#define pud_bad(x) ((pud_val(x) & ~PAGE_MASK) != _PAGE_TABLE)
#define pud_clear(xp) set_pud(xp, __pud(0))
#define pud_leaf(x) 0
static inline int p4d_none(p4d_t p4d) { return !pgd_val(p4d.pgd); }
static inline int p4d_present(p4d_t p4d) { return pgd_val(p4d.pgd) & _PAGE_PRESENT; }
static inline int p4d_bad(p4d_t p4d) { return (pgd_val(p4d.pgd) & ~PAGE_MASK) != _PAGE_TABLE; }
static inline void p4d_clear(p4d_t *p4dp) { p4dp->pgd = __pgd(0); }

#define PFN_PTE_SHIFT PAGE_SHIFT
#define pte_pfn(x) (pte_val(x) >> PAGE_SHIFT)
#define pte_page(x) pfn_to_page(pte_pfn(x))
#define pfn_pte(pfn, prot) __pte(((unsigned long)(pfn) << PAGE_SHIFT) | pgprot_val(prot))
#define mk_pte(page, prot) pfn_pte(page_to_pfn(page), prot)
#define pmd_pfn(x) (pmd_val(x) >> PAGE_SHIFT)
#define pmd_page(x) pfn_to_page(pmd_pfn(x))
#define pmd_page_vaddr(x) ((unsigned long)__va(pmd_val(x) & PAGE_MASK))
#define pud_page(x) pfn_to_page(pud_val(x) >> PAGE_SHIFT)
#define pud_pgtable(x) ((pmd_t *)__va(pud_val(x) & PAGE_MASK))
#define p4d_page(x) pfn_to_page(p4d_val(x) >> PAGE_SHIFT)
#define p4d_pgtable(x) ((pud_t *)__va(p4d_val(x) & PAGE_MASK))

#define LIB_PTE_TEST(name, bit) \
	static inline int pte_##name(pte_t pte) { return !!(pte_val(pte) & (bit)); }
#define LIB_PTE_CHANGE(name, op) \
	static inline pte_t pte_##name(pte_t pte) { return __pte(pte_val(pte) op); }
LIB_PTE_TEST(write, _PAGE_WRITE)
LIB_PTE_TEST(dirty, _PAGE_DIRTY)
LIB_PTE_TEST(young, _PAGE_ACCESSED)
LIB_PTE_TEST(special, _PAGE_SPECIAL)
LIB_PTE_CHANGE(wrprotect, & ~_PAGE_WRITE)
LIB_PTE_CHANGE(mkwrite_novma, | _PAGE_WRITE)
LIB_PTE_CHANGE(mkclean, & ~_PAGE_DIRTY)
LIB_PTE_CHANGE(mkdirty, | _PAGE_DIRTY)
LIB_PTE_CHANGE(mkold, & ~_PAGE_ACCESSED)
LIB_PTE_CHANGE(mkyoung, | _PAGE_ACCESSED)
LIB_PTE_CHANGE(mkspecial, | _PAGE_SPECIAL)
LIB_PTE_CHANGE(swp_mkexclusive, | _PAGE_SWP_EXCLUSIVE)
LIB_PTE_CHANGE(swp_clear_exclusive, & ~_PAGE_SWP_EXCLUSIVE)
LIB_PTE_TEST(swp_exclusive, _PAGE_SWP_EXCLUSIVE)
#undef LIB_PTE_TEST
#undef LIB_PTE_CHANGE
#define __HAVE_ARCH_PTE_SWP_EXCLUSIVE

static inline pte_t pte_modify(pte_t pte, pgprot_t prot)
{
	return __pte((pte_val(pte) & _PAGE_CHG_MASK) | pgprot_val(prot));
}

#define update_mmu_cache(vma, address, ptep) do { } while (0)
#define update_mmu_cache_range(vmf, vma, address, ptep, number) do { } while (0)

/* Swap entries: neither present nor protnone; type in bits 4 to 8 (bit 10 is the exclusive mark), offset from 12. */
#define __swp_type(x) (((x).val >> 4) & 0x1f)
#define __swp_offset(x) ((x).val >> 12)
#define __swp_entry(type, offset) ((swp_entry_t){ (((type) & 0x1fUL) << 4) | ((offset) << 12) })
#define __pte_to_swp_entry(pte) ((swp_entry_t){ pte_val(pte) })
#define __swp_entry_to_pte(x) ((pte_t){ (x).val })
#define MAX_SWAPFILES_CHECK() BUILD_BUG_ON(MAX_SWAPFILES_SHIFT > 5)
#endif

#endif
