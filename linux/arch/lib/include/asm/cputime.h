/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_CPUTIME_H
#define _ASM_LIB_CPUTIME_H

/* All times are in nanoseconds: kernel/cputime.c. */

#endif
