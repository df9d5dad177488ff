/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_UACCESS_H
#define _ASM_LIB_UACCESS_H

/*
 * A task's memory is the host's: that of the host thread which makes the call (the kernel reads it directly, and a bad
 * address or one that is unmapped midway diverts through the exception table), or that of another process, by its pid
 * (process_vm_readv and process_vm_writev). lib_memory_of says which for the current task.
 */
#include <linux/compiler.h>
#include <linux/string.h>
#include <asm/extable.h>
#include <asm/processor.h>
#include <lib_layout.h>

extern int lib_memory_of; /* LIB_MEMORY_OWN, LIB_MEMORY_NONE or a pid */

/* Nobody's user memory is where the kernel is. */
static inline int __access_ok(const void __user *ptr, unsigned long size)
{
	unsigned long start = (unsigned long)ptr;

	if (size > TASK_SIZE_MAX || start > TASK_SIZE_MAX - size)
		return 0;
	return start + size <= LIB_KERNEL_START || start >= LIB_KERNEL_END;
}
#define __access_ok __access_ok
#include <asm-generic/access_ok.h>

/* These give the number of bytes that were not copied. */
extern unsigned long lib_copy(void *to, const void *from, unsigned long size);
extern unsigned long lib_clear(void *to, unsigned long size);
extern unsigned long lib_read_other(void *to, const void __user *from, unsigned long size);
extern unsigned long lib_write_other(void __user *to, const void *from, unsigned long size);

static __always_inline unsigned long raw_copy_from_user(void *to, const void __user *from, unsigned long n)
{
	if (likely(lib_memory_of == LIB_MEMORY_OWN))
		return lib_copy(to, (const void __force *)from, n);
	return lib_read_other(to, from, n);
}

static __always_inline unsigned long raw_copy_to_user(void __user *to, const void *from, unsigned long n)
{
	if (likely(lib_memory_of == LIB_MEMORY_OWN))
		return lib_copy((void __force *)to, from, n);
	return lib_write_other(to, from, n);
}

extern unsigned long lib_clear_user(void __user *to, unsigned long n);
#define __clear_user(to, n) lib_clear_user(to, n)
static inline unsigned long clear_user(void __user *to, unsigned long n)
{
	return access_ok(to, n) ? lib_clear_user(to, n) : n;
}

extern long strncpy_from_user(char *to, const char __user *from, long count);
extern long strnlen_user(const char __user *string, long n);

/* One value of 1, 2, 4 or 8 bytes. */
#define lib_load(x, ptr, err, itype, ltype)								\
	asm volatile("1: mov" itype " %2, %" ltype "1\n2:\n"						\
		     ".pushsection .fixup,\"ax\"\n3: movl %3, %0\n xorl %k1, %k1\n jmp 2b\n.popsection\n"	\
		     LIB_EXTABLE("1b", "3b")								\
		     : "+r"(err), "=q"(x)								\
		     : "m"(*(ptr)), "i"(-EFAULT))
#define lib_store(x, ptr, err, itype, ltype)								\
	asm volatile("1: mov" itype " %" ltype "1, %2\n2:\n"						\
		     ".pushsection .fixup,\"ax\"\n3: movl %3, %0\n jmp 2b\n.popsection\n"		\
		     LIB_EXTABLE("1b", "3b")								\
		     : "+r"(err)									\
		     : "q"(x), "m"(*(ptr)), "i"(-EFAULT) : "memory")

struct lib_any { unsigned long buf[100]; };
#define lib_any(x) (*(struct lib_any __force *)(x))

extern void lib_bad_size(void);

#define __get_user(x, ptr)										\
({													\
	__typeof__(ptr) __gu_ptr = (ptr);								\
	int __gu_err = 0;										\
	__inttype(*(__gu_ptr)) __gu_val = 0;								\
													\
	__chk_user_ptr(__gu_ptr);									\
	if (likely(lib_memory_of == LIB_MEMORY_OWN)) {							\
		switch (sizeof(*(__gu_ptr))) {								\
		case 1: lib_load(__gu_val, &lib_any(__gu_ptr), __gu_err, "b", "b"); break;		\
		case 2: lib_load(__gu_val, &lib_any(__gu_ptr), __gu_err, "w", "w"); break;		\
		case 4: lib_load(__gu_val, &lib_any(__gu_ptr), __gu_err, "l", "k"); break;		\
		case 8: lib_load(__gu_val, &lib_any(__gu_ptr), __gu_err, "q", "q"); break;		\
		default: lib_bad_size();								\
		}											\
	} else if (lib_read_other(&__gu_val, __gu_ptr, sizeof(*(__gu_ptr)))) {				\
		__gu_err = -EFAULT;									\
		__gu_val = 0;										\
	}												\
	(x) = (__force __typeof__(*(__gu_ptr)))__gu_val;						\
	__gu_err;											\
})

#define __put_user(x, ptr)										\
({													\
	__typeof__(ptr) __pu_ptr = (ptr);								\
	int __pu_err = 0;										\
	__typeof__(*(__pu_ptr)) __pu_val = (x);								\
													\
	__chk_user_ptr(__pu_ptr);									\
	if (likely(lib_memory_of == LIB_MEMORY_OWN)) {							\
		switch (sizeof(*(__pu_ptr))) {								\
		case 1: lib_store(__pu_val, &lib_any(__pu_ptr), __pu_err, "b", "b"); break;		\
		case 2: lib_store(__pu_val, &lib_any(__pu_ptr), __pu_err, "w", "w"); break;		\
		case 4: lib_store(__pu_val, &lib_any(__pu_ptr), __pu_err, "l", "k"); break;		\
		case 8: lib_store(__pu_val, &lib_any(__pu_ptr), __pu_err, "q", "q"); break;		\
		default: lib_bad_size();								\
		}											\
	} else if (lib_write_other(__pu_ptr, &__pu_val, sizeof(*(__pu_ptr)))) {				\
		__pu_err = -EFAULT;									\
	}												\
	__pu_err;											\
})

/* An unsigned integer as wide as x, so that a value can travel in a register whatever its type. */
#define __inttype(x) __typeof__(								\
	__builtin_choose_expr(sizeof(x) == 1, (u8)0,						\
	__builtin_choose_expr(sizeof(x) == 2, (u16)0,						\
	__builtin_choose_expr(sizeof(x) == 4, (u32)0, (u64)0))))

#define get_user(x, ptr)										\
({													\
	const void __user *__p = (ptr);									\
	might_fault();											\
	access_ok(__p, sizeof(*(ptr))) ? __get_user((x), (__typeof__(*(ptr)) __user *)__p)		\
				       : ((x) = (__typeof__(*(ptr)))0, -EFAULT);			\
})

#define put_user(x, ptr)										\
({													\
	void __user *__p = (ptr);									\
	might_fault();											\
	access_ok(__p, sizeof(*(ptr))) ? __put_user((x), (__typeof__(*(ptr)) __user *)__p) : -EFAULT;	\
})

#define user_access_begin(ptr, len) access_ok(ptr, len)
#define user_read_access_begin user_access_begin
#define user_write_access_begin user_access_begin
#define user_access_end() do { } while (0)
#define user_read_access_end user_access_end
#define user_write_access_end user_access_end
#define unsafe_get_user(x, ptr, label) do { if (unlikely(__get_user(x, ptr))) goto label; } while (0)
#define unsafe_put_user(x, ptr, label) do { if (unlikely(__put_user(x, ptr))) goto label; } while (0)
#define unsafe_copy_to_user(to, from, n, label)								\
	do { if (unlikely(raw_copy_to_user(to, from, n))) goto label; } while (0)
#define unsafe_copy_from_user(to, from, n, label)							\
	do { if (unlikely(raw_copy_from_user(to, from, n))) goto label; } while (0)
static inline unsigned long user_access_save(void) { return 0; }
static inline void user_access_restore(unsigned long flags) {}

#define __get_kernel_nofault(dst, src, type, label)							\
do {													\
	if (unlikely(lib_copy((dst), (src), sizeof(type))))						\
		goto label;										\
} while (0)
#define __put_kernel_nofault(dst, src, type, label)							\
do {													\
	if (unlikely(lib_copy((dst), (src), sizeof(type))))						\
		goto label;										\
} while (0)

#endif
