/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/* x86-64's, so that programs for it are understood. */
#include "../../../../x86/include/uapi/asm/auxvec.h"
