/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_CURRENT_H
#define _ASM_LIB_CURRENT_H

#ifndef __ASSEMBLY__
struct task_struct;
/* Read and written only by the host thread that holds the CPU. */
extern struct task_struct *lib_current;
#define current lib_current
#endif

#endif
