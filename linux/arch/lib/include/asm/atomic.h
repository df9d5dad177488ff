/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_ATOMIC_H
#define _ASM_LIB_ATOMIC_H

/*
 * One CPU, and its interrupts run only where the kernel itself looks for them (asm/irqflags.h), never between two
 * instructions. So plain C is atomic here, and a lock prefix would cost most of what a short system call costs.
 */
#include <linux/types.h>
#include <asm/cmpxchg.h>
#include <asm/barrier.h>

#define arch_atomic_read(v) READ_ONCE((v)->counter)
#define arch_atomic_set(v, i) WRITE_ONCE((v)->counter, (i))
#define arch_atomic64_read(v) READ_ONCE((v)->counter)
#define arch_atomic64_set(v, i) WRITE_ONCE((v)->counter, (i))
#define ATOMIC64_INIT(i) { (i) }

#define LIB_ATOMIC_OP(prefix, type, word, op, c_op)						\
static __always_inline void prefix##_##op(word i, type *v)					\
{												\
	v->counter = v->counter c_op i;								\
}
#define LIB_ATOMIC_RETURN(prefix, type, word, op, c_op)						\
static __always_inline word prefix##_##op##_return(word i, type *v)				\
{												\
	return v->counter = v->counter c_op i;							\
}
#define LIB_ATOMIC_FETCH(prefix, type, word, op, c_op)						\
static __always_inline word prefix##_fetch_##op(word i, type *v)				\
{												\
	word old = v->counter;									\
												\
	v->counter = old c_op i;								\
	return old;										\
}
#define LIB_ATOMIC_ARITHMETIC(prefix, type, word, op, c_op)					\
	LIB_ATOMIC_OP(prefix, type, word, op, c_op)						\
	LIB_ATOMIC_RETURN(prefix, type, word, op, c_op)						\
	LIB_ATOMIC_FETCH(prefix, type, word, op, c_op)
#define LIB_ATOMIC_LOGIC(prefix, type, word, op, c_op)						\
	LIB_ATOMIC_OP(prefix, type, word, op, c_op)						\
	LIB_ATOMIC_FETCH(prefix, type, word, op, c_op)
#define LIB_ATOMICS(prefix, type, word)								\
	LIB_ATOMIC_ARITHMETIC(prefix, type, word, add, +)					\
	LIB_ATOMIC_ARITHMETIC(prefix, type, word, sub, -)					\
	LIB_ATOMIC_LOGIC(prefix, type, word, and, &)						\
	LIB_ATOMIC_LOGIC(prefix, type, word, or, |)						\
	LIB_ATOMIC_LOGIC(prefix, type, word, xor, ^)

LIB_ATOMICS(arch_atomic, atomic_t, int)
LIB_ATOMICS(arch_atomic64, atomic64_t, s64)

#define arch_atomic_add_return arch_atomic_add_return
#define arch_atomic_sub_return arch_atomic_sub_return
#define arch_atomic_fetch_add arch_atomic_fetch_add
#define arch_atomic_fetch_sub arch_atomic_fetch_sub
#define arch_atomic_fetch_and arch_atomic_fetch_and
#define arch_atomic_fetch_or arch_atomic_fetch_or
#define arch_atomic_fetch_xor arch_atomic_fetch_xor
#define arch_atomic64_add_return arch_atomic64_add_return
#define arch_atomic64_sub_return arch_atomic64_sub_return
#define arch_atomic64_fetch_add arch_atomic64_fetch_add
#define arch_atomic64_fetch_sub arch_atomic64_fetch_sub
#define arch_atomic64_fetch_and arch_atomic64_fetch_and
#define arch_atomic64_fetch_or arch_atomic64_fetch_or
#define arch_atomic64_fetch_xor arch_atomic64_fetch_xor

#define arch_atomic_xchg(v, new) arch_xchg(&(v)->counter, (new))
#define arch_atomic_cmpxchg(v, old, new) arch_cmpxchg(&(v)->counter, (old), (new))
#define arch_atomic64_xchg(v, new) arch_xchg(&(v)->counter, (new))
#define arch_atomic64_cmpxchg(v, old, new) arch_cmpxchg(&(v)->counter, (old), (new))

#undef LIB_ATOMICS
#undef LIB_ATOMIC_LOGIC
#undef LIB_ATOMIC_ARITHMETIC
#undef LIB_ATOMIC_FETCH
#undef LIB_ATOMIC_RETURN
#undef LIB_ATOMIC_OP

#endif
