/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_EXTABLE_H
#define _ASM_LIB_EXTABLE_H

/* An instruction that may fault on memory of the host, and where to go on if it does. Both as link addresses. */
struct exception_table_entry {
	unsigned long insn, fixup;
};

#define LIB_EXTABLE(from, to) \
	".pushsection __ex_table,\"a\"\n.balign 8\n.quad " from ", " to "\n.popsection\n"

#endif
