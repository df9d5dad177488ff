/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_MMU_H
#define _ASM_LIB_MMU_H
typedef struct {
	struct lib_pins *pins; /* pages.c */
	unsigned long host_pages; /* counted as anonymous ones: the host's, when it was asked last, resident.c */
	unsigned long long host_asked;
} mm_context_t;
#endif
