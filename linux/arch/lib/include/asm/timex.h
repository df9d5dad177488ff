/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_TIMEX_H
#define _ASM_LIB_TIMEX_H
typedef unsigned long cycles_t;
static inline cycles_t get_cycles(void)
{
	unsigned int low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return low | (unsigned long)high << 32;
}
#define get_cycles get_cycles
#define random_get_entropy() get_cycles()
#endif
