/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The few numbers of lib_abi.h that the whole kernel is compiled with. */
#ifndef LIB_LAYOUT_H
#define LIB_LAYOUT_H

/*
 * Addresses, the same in every process. [LIB_BASE, + memory) is the memory file: physical address p is LIB_BASE + p.
 * The image is linked at LIB_BASE + LIB_IMAGE_OFFSET and starts with struct lib_header. 32 TiB up is where neither
 * Linux, nor the sanitizers, nor the run-times of Go and Java put anything.
 */
#define LIB_BASE 0x200000000000
#define LIB_HUGE_PAGE 0x200000
#define LIB_PAGE_BLOCK 0x400000 /* the page allocator's largest */
#define LIB_LEAST_HUGE 0x12000000 /* with less memory small pages waste less */
#define LIB_IMAGE_OFFSET 0x1ff000 /* the header, then text on a huge page */
#define LIB_VMALLOC 0x1f0000000000
#define LIB_VMALLOC_SIZE 0x8000000000
#define LIB_IO 0x1fe000000000 /* device registers; never mapped */
#define LIB_KERNEL_START LIB_VMALLOC
#define LIB_KERNEL_END 0x207e00000000

/*
 * Above are the stacks of the run-time of guests (src/runtime), so that with the kernel's below them both are one range to the
 * host's sigaltstack(2), and the run-time, all of which the kernel takes for user memory. Below, the kernel keeps what exec's
 * arguments were, for /proc. A guest's own memory is everywhere else.
 *
 * What a process touches of all this is in the 512 GiB that begin with LIB_BASE, and of the run-time's, but for a trace, in one GiB: each
 * other region would cost a new process two or three more page tables, which are a tenth of what fork costs.
 */
#define LIB_ARGUMENTS_END LIB_KERNEL_START
#define LIB_STACKS LIB_KERNEL_END
#define LIB_RUNTIME 0x207e10000000
#define LIB_RESERVED 0x1ef000000000 /* to LIB_END */
#define LIB_END 0x208000000000

/* lib_carrier.memory: whose memory the pointers of the task's calls mean; a positive number is a pid. */
#define LIB_MEMORY_OWN 0
#define LIB_MEMORY_NONE (-1)

#endif
