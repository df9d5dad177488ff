/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_MMU_H
#define _ASM_LIB_MMU_H
typedef struct {
	struct lib_pins *pins; /* pages.c */
} mm_context_t;
#endif
