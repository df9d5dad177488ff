// SPDX-License-Identifier: GPL-2.0
/*
 * Host faults (SIGSEGV, SIGBUS) on instructions of the image. Three kinds: user memory that is not there, which the
 * exception table answers; vmalloc space that this process has not mapped yet; and bugs.
 */
#include <linux/extable.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/signal.h>
#include <linux/uaccess.h>
#include <asm/lib.h>
#include <asm/pgtable.h>
#include <asm/sections.h>
#include <asm/tlbflush.h>

extern const char lib_text_end[];

#define HOST_MMAP 9
#define HOST_RT_SIGACTION 13
#define HOST_PROT_NONE 0
#define HOST_PROT_READ_WRITE 3
#define HOST_MAP_SHARED 1
#define HOST_MAP_PRIVATE_FIXED_ANONYMOUS_NORESERVE (2 | 0x10 | 0x20 | 0x4000)
#define HOST_MREMAP 25
#define HOST_MREMAP_MAYMOVE_FIXED 3

static struct {
	u64 ip, address, registers[17];
} bug;

static void die(void)
{
	int i;

	pr_emerg("BUG: unable to handle access at %016llx, ip %016llx (_text+%llx), task %s[%d]\n", bug.address, bug.ip,
		 bug.ip - (u64)_text, current->comm, current->pid);
	for (i = 0; i < 16; i += 4)
		pr_emerg("r%-2d: %016llx %016llx %016llx %016llx\n", i, bug.registers[i], bug.registers[i + 1],
			 bug.registers[i + 2], bug.registers[i + 3]);
	dump_stack();
	panic("bad access in the kernel");
}

/* The vmalloc page at `address`, by init_mm's tables; 0 if there is none. */
static u64 vmalloc_page(u64 address)
{
	pgd_t *pgd = pgd_offset_k(address);
	p4d_t *p4d = p4d_offset(pgd, address);
	pud_t *pud;
	pmd_t *pmd;
	pte_t *pte;

	if (p4d_none(*p4d))
		return 0;
	pud = pud_offset(p4d, address);
	if (pud_none(*pud))
		return 0;
	pmd = pmd_offset(pud, address);
	if (pmd_none(*pmd))
		return 0;
	pte = pte_offset_kernel(pmd, address);
	return pte_present(*pte) ? pte_val(*pte) & PAGE_MASK & ((1UL << 48) - 1) : 0;
}

/* A second mapping of the memory file's page: mremap() of size 0 doubles a shared mapping, and needs no descriptor. */
static bool map_page(u64 address, u64 physical)
{
	long at = lib_host(HOST_MREMAP, LIB_BASE + physical, 0, PAGE_SIZE, HOST_MREMAP_MAYMOVE_FIXED, address, 0);

	return at == (long)address;
}

/* A fault on user memory, on its way from the host's signal handler to where the kernel may sleep. */
static struct {
	u64 ip, address;
} user_fault;

/* On the kernel's stack, from lib_after_fault: where to go on. */
u64 lib_user_fault(void);
u64 lib_user_fault(void)
{
	u64 ip = user_fault.ip;

	if (lib_touch(user_fault.address))
		return ip;
	return search_exception_tables(ip)->fixup;
}

/* Where to go on after a fault at `ip` about `address`; 0: it is none of the kernel's. */
static u64 answer(int number, u64 ip, u64 address, const u64 *registers)
{
	const struct exception_table_entry *entry;
	u64 physical;

	if (ip < (u64)_stext || ip >= (u64)lib_text_end)
		return 0;
	if (address >= VMALLOC_START && address < VMALLOC_END) {
		physical = vmalloc_page(address & PAGE_MASK);
		if (physical && map_page(address & PAGE_MASK, physical))
			return ip;
	}
	entry = search_exception_tables(ip);
	if (entry) {
		/* A page of a file's mapping that nobody has touched yet, as a machine's own fault would bring it in. */
		if (number == SIGBUS && lib_boot.memory_fd > 0 && lib_memory_of == LIB_MEMORY_OWN && !faulthandler_disabled()) {
			user_fault.ip = ip;
			user_fault.address = address;
			return (u64)lib_after_fault;
		}
		return entry->fixup;
	}
	bug.ip = ip;
	bug.address = address;
	memcpy(bug.registers, registers, sizeof(bug.registers));
	return (u64)die;
}

/* Of the host's siginfo_t and ucontext_t (x86-64): the address, and the registers, r8 first, rip last. */
#define SIGINFO_ADDRESS 2
#define UCONTEXT_REGISTERS 5
#define REGISTER_IP 16

/*
 * The host's signal handler. It lies in the image and runs on the kernel's stack, so that the undertaker can go on with it
 * too. A fault on an instruction of the program's own goes to whoever handled such faults before.
 */
void lib_on_fault(int number, void *info, void *context)
{
	u64 *registers = (u64 *)context + UCONTEXT_REGISTERS;
	u64 next = answer(number, registers[REGISTER_IP], ((u64 *)info)[SIGINFO_ADDRESS], registers);
	const struct lib_old_handler *old = number == SIGBUS ? &lib_shared.old_bus : &lib_shared.old_segv;

	if (next) {
		registers[REGISTER_IP] = next;
	} else if (old->handler <= 1) { /* SIG_DFL or SIG_IGN: the instruction faults again, and ends the process */
		u64 action[4] = {};

		lib_host(HOST_RT_SIGACTION, number, (long)action, 0, 8, 0, 0);
	} else {
		((void (*)(int, void *, void *))old->handler)(number, info, context);
	}
}

void lib_forget_vmalloc(void)
{
	lib_shared.vmalloc_generation++;
	if (lib_shared.carrier)
		lib_map_vmalloc(lib_shared.carrier);
}

/* With the CPU: what this process has mapped of vmalloc space may be out of date. */
void lib_map_vmalloc(struct lib_carrier *carrier)
{
	if (likely(carrier->vmalloc_generation == lib_shared.vmalloc_generation))
		return;
	lib_host(HOST_MMAP, VMALLOC_START, VMALLOC_END - VMALLOC_START, HOST_PROT_NONE,
		 HOST_MAP_PRIVATE_FIXED_ANONYMOUS_NORESERVE, -1, 0);
	carrier->vmalloc_generation = lib_shared.vmalloc_generation;
}
