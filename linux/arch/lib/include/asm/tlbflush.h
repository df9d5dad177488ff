/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_TLBFLUSH_H
#define _ASM_LIB_TLBFLUSH_H

#include <linux/types.h>

struct mm_struct;
struct vm_area_struct;

/* Host mappings stand only for vmalloc space, as a TLB would: a new generation makes every process forget them. */
extern void lib_forget_vmalloc(void);

static inline void flush_tlb_kernel_range(unsigned long start, unsigned long end) { lib_forget_vmalloc(); }
static inline void flush_tlb_all(void) { lib_forget_vmalloc(); }
static inline void flush_tlb_mm(struct mm_struct *mm) {}
static inline void flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end) {}
static inline void flush_tlb_page(struct vm_area_struct *vma, unsigned long address) {}

#endif
