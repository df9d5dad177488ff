/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_VTIME_H
#define _ASM_LIB_VTIME_H

#define __ARCH_HAS_VTIME_TASK_SWITCH /* kernel/cputime.c */

#endif
