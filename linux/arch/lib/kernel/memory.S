/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memcpy and friends without vector registers. Short runs are moved by overlapping words; long ones by `rep movsb`,
 * which leaves in rcx what it has not moved when it faults.
 */
#include <linux/linkage.h>

.macro extable from, to
	.pushsection __ex_table, "a"
	.balign 8
	.quad \from, \to
	.popsection
.endm

.text

/* unsigned long lib_copy(void *to, const void *from, unsigned long size): what was not copied, 0 unless it faulted. */
SYM_FUNC_START(lib_copy)
	cmpq $16, %rdx
	jb .Lunder_16
	cmpq $256, %rdx
	ja .Llong
	leaq -16(%rdx), %rcx
1:	movq (%rsi), %rax
2:	movq 8(%rsi), %r8
3:	movq %rax, (%rdi)
4:	movq %r8, 8(%rdi)
	testq %rcx, %rcx
	jz .Ldone
.Lpairs:
	cmpq $16, %rcx
	jbe .Llast
	addq $16, %rsi
	addq $16, %rdi
	subq $16, %rcx
5:	movq (%rsi), %rax
6:	movq 8(%rsi), %r8
7:	movq %rax, (%rdi)
8:	movq %r8, 8(%rdi)
	jmp .Lpairs
.Llast: /* rcx more bytes, 1 to 16, behind the 16 at rsi: the last 16, some of them twice */
9:	movq (%rsi, %rcx), %rax
10:	movq 8(%rsi, %rcx), %r8
11:	movq %rax, (%rdi, %rcx)
12:	movq %r8, 8(%rdi, %rcx)
.Ldone:
	xorl %eax, %eax
	ret
.Lunder_16:
	cmpl $8, %edx
	jb .Lunder_8
13:	movq (%rsi), %rax
14:	movq -8(%rsi, %rdx), %r8
15:	movq %rax, (%rdi)
16:	movq %r8, -8(%rdi, %rdx)
	xorl %eax, %eax
	ret
.Lunder_8:
	cmpl $4, %edx
	jb .Lunder_4
17:	movl (%rsi), %eax
18:	movl -4(%rsi, %rdx), %r8d
19:	movl %eax, (%rdi)
20:	movl %r8d, -4(%rdi, %rdx)
	xorl %eax, %eax
	ret
.Lunder_4: /* first, middle and last byte; `rep movsb` takes longer to start than this to end */
	testl %edx, %edx
	jz .Ldone
	movl %edx, %ecx
	shrl $1, %ecx
22:	movzbl (%rsi), %eax
23:	movzbl (%rsi, %rcx), %r8d
24:	movzbl -1(%rsi, %rdx), %r10d
25:	movb %al, (%rdi)
26:	movb %r8b, (%rdi, %rcx)
27:	movb %r10b, -1(%rdi, %rdx)
	xorl %eax, %eax
	ret
.Llong:
	movq %rdx, %rcx
.Lbytes:
21:	rep movsb
.Lstopped:
	movq %rcx, %rax
	ret
/* A fault in the words: again from the start or from this pair, byte by byte, for the exact count. */
.Lagain:
	movq %rdx, %rcx
	jmp .Lbytes
.Lagain_pair:
	addq $16, %rcx
	jmp .Lbytes
.irp n, 13, 14, 15, 16, 17, 18, 19, 20
	extable \n\()b, .Lagain
.endr
.irp n, 22, 23, 24, 25, 26, 27
	extable \n\()b, .Lagain
.endr
.irp n, 1, 2, 3, 4
	extable \n\()b, .Lagain
.endr
.irp n, 5, 6, 7, 8
	extable \n\()b, .Lagain_pair
.endr
.irp n, 9, 10, 11, 12
	extable \n\()b, .Lagain_pair
.endr
	extable 21b, .Lstopped
SYM_FUNC_END(lib_copy)

/* unsigned long lib_clear(void *to, unsigned long size): what was not cleared. */
SYM_FUNC_START(lib_clear)
	movq %rsi, %rcx
	xorl %eax, %eax
1:	rep stosb
2:	movq %rcx, %rax
	ret
	extable 1b, 2b
SYM_FUNC_END(lib_clear)

SYM_FUNC_START(memcpy)
	movq %rdi, %r9
	call lib_copy
	movq %r9, %rax
	ret
SYM_FUNC_END(memcpy)

SYM_FUNC_START(memmove)
	movq %rdi, %rax
	subq %rsi, %rax
	cmpq %rdx, %rax
	jb .Lbackwards
	negq %rax
	cmpq %rdx, %rax
	jae memcpy /* no overlap: lib_copy may read some bytes twice */
	movq %rdi, %r9
	movq %rdx, %rcx
.Lforwards:
	cmpq $8, %rcx
	jb .Lrest
	movq (%rsi), %rax
	movq %rax, (%rdi)
	addq $8, %rsi
	addq $8, %rdi
	subq $8, %rcx
	jmp .Lforwards
.Lrest:
	rep movsb
	movq %r9, %rax
	ret
.Lbackwards:
	movq %rdi, %r9
	movq %rdx, %rcx
1:	cmpq $8, %rcx
	jb 2f
	movq -8(%rsi, %rcx), %rax
	movq %rax, -8(%rdi, %rcx)
	subq $8, %rcx
	jmp 1b
2:	testq %rcx, %rcx
	jz 3f
	movb -1(%rsi, %rcx), %al
	movb %al, -1(%rdi, %rcx)
	decq %rcx
	jmp 2b
3:	movq %r9, %rax
	ret
SYM_FUNC_END(memmove)

SYM_FUNC_START(memset)
	movq %rdi, %r9
	movzbl %sil, %eax
	movabsq $0x0101010101010101, %rcx
	imulq %rcx, %rax
	cmpq $8, %rdx
	jb 2f
	cmpq $256, %rdx
	ja 3f
	movq %rax, -8(%rdi, %rdx)
1:	movq %rax, (%rdi)
	addq $8, %rdi
	subq $8, %rdx
	cmpq $8, %rdx
	jae 1b
	movq %r9, %rax
	ret
2:	testq %rdx, %rdx
	jz 4f
3:	movq %rdx, %rcx
	rep stosb
4:	movq %r9, %rax
	ret
SYM_FUNC_END(memset)
