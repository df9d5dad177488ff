/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/* x86-64's; its own posix_types.h is empty inside the kernel. */
#include "../../../../x86/include/uapi/asm/posix_types_64.h"
