/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_BARRIER_H
#define _ASM_LIB_BARRIER_H

/*
 * The kernel is alone on its CPU, but devices run on other host CPUs. x86 keeps loads and stores in order but for a
 * store followed by a load, so only the full barrier is an instruction.
 */
#define __mb() asm volatile("lock; addl $0,-4(%%rsp)" ::: "memory", "cc")
#define __rmb() barrier()
#define __wmb() barrier()
#define __dma_rmb() barrier()
#define __dma_wmb() barrier()
#define __smp_mb() __mb()
#define __smp_rmb() barrier()
#define __smp_wmb() barrier()

#include <asm-generic/barrier.h>

#endif
