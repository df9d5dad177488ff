/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_PGALLOC_H
#define _ASM_LIB_PGALLOC_H

#include <linux/mm.h>
#include <asm-generic/pgalloc.h>

static inline void pmd_populate_kernel(struct mm_struct *mm, pmd_t *pmd, pte_t *pte)
{
	set_pmd(pmd, __pmd(__pa(pte) | _PAGE_TABLE));
}

static inline void pmd_populate(struct mm_struct *mm, pmd_t *pmd, pgtable_t pte)
{
	set_pmd(pmd, __pmd(page_to_phys(pte) | _PAGE_TABLE));
}

static inline void pud_populate(struct mm_struct *mm, pud_t *pud, pmd_t *pmd)
{
	set_pud(pud, __pud(__pa(pmd) | _PAGE_TABLE));
}

static inline void p4d_populate(struct mm_struct *mm, p4d_t *p4d, pud_t *pud)
{
	p4d->pgd = __pgd(__pa(pud) | _PAGE_TABLE);
}

static inline pgd_t *pgd_alloc(struct mm_struct *mm)
{
	return (pgd_t *)__get_free_page(GFP_KERNEL | __GFP_ZERO);
}

#define __pte_free_tlb(tlb, pte, address) \
	do { pagetable_pte_dtor(page_ptdesc(pte)); tlb_remove_page_ptdesc((tlb), page_ptdesc(pte)); } while (0)
/* No hardware walks them, so they need not outlive a flush; pmd_free() also takes back what makes the page a table. */
#define __pmd_free_tlb(tlb, pmd, address) pmd_free((tlb)->mm, (pmd))
#define __pud_free_tlb(tlb, pud, address) pud_free((tlb)->mm, (pud))

#endif
