/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_LIB_IO_H
#define _ASM_LIB_IO_H

/*
 * The only memory-mapped registers are those of virtio devices (lib_abi.h). ioremap() gives addresses in a range that
 * nothing is mapped at, and these accessors carry an access to the device's side.
 */
#include <linux/types.h>
#include <lib_layout.h>

extern u32 lib_io_read(const volatile void __iomem *address, unsigned int size);
extern void lib_io_write(volatile void __iomem *address, u32 value, unsigned int size);

#define __raw_readb __raw_readb
static inline u8 __raw_readb(const volatile void __iomem *a) { return lib_io_read(a, 1); }
#define __raw_readw __raw_readw
static inline u16 __raw_readw(const volatile void __iomem *a) { return lib_io_read(a, 2); }
#define __raw_readl __raw_readl
static inline u32 __raw_readl(const volatile void __iomem *a) { return lib_io_read(a, 4); }
#define __raw_writeb __raw_writeb
static inline void __raw_writeb(u8 v, volatile void __iomem *a) { lib_io_write(a, v, 1); }
#define __raw_writew __raw_writew
static inline void __raw_writew(u16 v, volatile void __iomem *a) { lib_io_write(a, v, 2); }
#define __raw_writel __raw_writel
static inline void __raw_writel(u32 v, volatile void __iomem *a) { lib_io_write(a, v, 4); }

#define ioremap ioremap
static inline void __iomem *ioremap(phys_addr_t offset, size_t size)
{
	return (void __iomem *)(LIB_IO + (unsigned long)offset);
}
#define iounmap iounmap
static inline void iounmap(volatile void __iomem *address) {}

#include <asm-generic/io.h>

#endif
