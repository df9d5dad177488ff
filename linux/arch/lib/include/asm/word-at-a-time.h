/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_WORD_AT_A_TIME_H
#define _ASM_LIB_WORD_AT_A_TIME_H

#include <linux/kernel.h>

struct word_at_a_time {
	const unsigned long one_bits, high_bits;
};
#define WORD_AT_A_TIME_CONSTANTS { REPEAT_BYTE(0x01), REPEAT_BYTE(0x80) }

/* The mask has the high bit of every zero byte; bytes above the first may be wrong, which no user looks at. */
static inline unsigned long has_zero(unsigned long a, unsigned long *bits, const struct word_at_a_time *c)
{
	unsigned long mask = (a - c->one_bits) & ~a & c->high_bits;
	*bits = mask;
	return mask;
}
static inline unsigned long prep_zero_mask(unsigned long a, unsigned long bits, const struct word_at_a_time *c)
{
	return bits;
}
/* Ones in every byte before the first zero. */
static inline unsigned long create_zero_mask(unsigned long bits) { return ((bits - 1) & ~bits) >> 7; }
static inline unsigned long find_zero(unsigned long mask) { return mask ? (64 - __builtin_clzl(mask)) >> 3 : 0; }
#define zero_bytemask(mask) (mask)

/* Names lie in the linear mapping, whose last page is reserved: a word that starts in it can be read. */
static inline unsigned long load_unaligned_zeropad(const void *address) { return *(const unsigned long *)address; }

#endif
