/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_FUTEX_H
#define _ASM_LIB_FUTEX_H

/* Futexes on user memory that other host threads write at the same time, so these are locked instructions. */
#include <linux/futex.h>
#include <linux/uaccess.h>

extern int lib_futex_op(int op, int oparg, int *oldval, u32 __user *uaddr);
extern int lib_futex_cmpxchg(u32 *uval, u32 __user *uaddr, u32 oldval, u32 newval);
#define arch_futex_atomic_op_inuser lib_futex_op
#define futex_atomic_cmpxchg_inatomic lib_futex_cmpxchg

#endif
