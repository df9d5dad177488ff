/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_CMPXCHG_H
#define _ASM_LIB_CMPXCHG_H

/* Plain C is atomic on this CPU: see asm/atomic.h. */
#include <linux/types.h>

#define arch_xchg(ptr, x)							\
({										\
	__typeof__(ptr) __p = (ptr);						\
	__typeof__(*(ptr)) __old = *(volatile __typeof__(*(ptr)) *)__p;		\
										\
	*(volatile __typeof__(*(ptr)) *)__p = (x);				\
	__old;									\
})

#define arch_cmpxchg(ptr, o, n)							\
({										\
	__typeof__(ptr) __p = (ptr);						\
	__typeof__(*(ptr)) __old = *(volatile __typeof__(*(ptr)) *)__p;		\
	__typeof__(*(ptr)) __expected = (o);					\
										\
	if (__old == __expected)						\
		*(volatile __typeof__(*(ptr)) *)__p = (n);			\
	__old;									\
})

#define arch_cmpxchg_local arch_cmpxchg
#define arch_cmpxchg64 arch_cmpxchg
#define arch_cmpxchg64_local arch_cmpxchg

#endif
