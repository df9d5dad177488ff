/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_MMU_CONTEXT_H
#define _ASM_LIB_MMU_CONTEXT_H
#include <linux/mm_types.h>
#include <lib_layout.h>

struct task_struct;
static inline void switch_mm(struct mm_struct *prev, struct mm_struct *next, struct task_struct *task) {}

/* pages.c: the file pages that the host has mapped for this address space. */
int arch_dup_mmap(struct mm_struct *from, struct mm_struct *to);
void arch_exit_mmap(struct mm_struct *mm);
void arch_unmap(struct mm_struct *mm, unsigned long start, unsigned long end);

static inline int init_new_context(struct task_struct *task, struct mm_struct *mm)
{
	mm->context = (mm_context_t){};
	return 0;
}
#define init_new_context init_new_context

/* What a program has of no file is the host's, and the kernel's pages for it would be others: only exec's arguments are here. */
static inline bool arch_vma_access_permitted(struct vm_area_struct *vma, bool write, bool execute, bool foreign)
{
	return vma->vm_file || (vma->vm_start >= LIB_RESERVED && vma->vm_start < LIB_END);
}
#include <asm-generic/mmu_context.h>
#endif
