// SPDX-License-Identifier: GPL-2.0
/* The machine that there is not: memory from one file, no firmware, no hardware to look for. */
#include <linux/console.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/panic_notifier.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <linux/seq_file.h>
#include <linux/start_kernel.h>
#include <linux/utsname.h>
#include <asm/lib.h>
#include <asm/sections.h>
#include <asm/setup.h>

extern const char lib_text_end[];

/* Where the loader looks first. */
const struct lib_header lib_header __section(".lib_header") = {
	.magic = LIB_ABI_MAGIC,
	.shape = LIB_ABI_SHAPE,
	.header_size = sizeof(struct lib_header),
	.text_start = (u64)_stext,
	.text_end = (u64)lib_text_end,
	.image_end = (u64)_end,
	.shared = &lib_shared,
	.boot = &lib_boot,
	.pending = &lib_pending,
	.carriers = lib_carriers,
	.run = lib_run,
	.enter = lib_enter,
	.bind = lib_bind,
	.unbind = lib_unbind,
	.interrupt_task = lib_interrupt_task,
	.on_fault = lib_on_fault,
	.restorer = lib_restorer,
	.undertake = lib_undertake,
	.interrupt = lib_interrupt,
};

static void console_write(struct console *console, const char *text, unsigned int size)
{
	if (lib_boot.log_fd >= 0)
		lib_host(1 /* write */, lib_boot.log_fd, (long)text, size, 0, 0, 0);
}

static struct console lib_console = {
	.name = "lib",
	.write = console_write,
	.flags = CON_PRINTBUFFER | CON_ANYTIME,
	.index = -1,
};

static int on_panic(struct notifier_block *self, unsigned long event, void *message)
{
	console_flush_on_panic(CONSOLE_FLUSH_PENDING);
	lib_ended(LIB_DEAD);
}

static struct notifier_block panic_block = { .notifier_call = on_panic };

void __init setup_arch(char **command_line)
{
	unsigned long zone_ends[MAX_NR_ZONES] = {};

	memblock_add(0, lib_boot.memory);
	/* Page 0, whose address looks like an error in places; the image; the last page, over whose end a word may be
	 * read (asm/word-at-a-time.h). */
	memblock_reserve(0, PAGE_SIZE);
	memblock_reserve(LIB_IMAGE_OFFSET, PAGE_ALIGN((u64)_end) - (u64)&lib_header);
	memblock_reserve(lib_boot.memory - PAGE_SIZE, PAGE_SIZE);
	min_low_pfn = 0;
	max_low_pfn = max_pfn = max_mapnr = lib_boot.memory >> PAGE_SHIFT;
	zone_ends[ZONE_NORMAL] = max_low_pfn;
	free_area_init(zone_ends);

	loops_per_jiffy = NSEC_PER_SEC / HZ; /* preset: calibrating takes milliseconds */
	lpj_fine = loops_per_jiffy;

	strscpy(boot_command_line, lib_boot.command_line, COMMAND_LINE_SIZE);
	*command_line = boot_command_line;
	parse_early_param(); /* `quiet` must be known before the console is */
	register_console(&lib_console);
	atomic_notifier_chain_register(&panic_notifier_list, &panic_block);
	add_device_randomness(lib_boot.seed, sizeof(lib_boot.seed));
	add_bootloader_randomness(lib_boot.seed, sizeof(lib_boot.seed));
	memzero_explicit(lib_boot.seed, sizeof(lib_boot.seed));
}

void machine_halt(void)
{
	lib_ended(LIB_HALTED);
}

void machine_power_off(void)
{
	lib_ended(LIB_HALTED);
}

void machine_restart(char *command)
{
	lib_ended(LIB_HALTED);
}

static int show(struct seq_file *m, void *v)
{
	seq_puts(m, "processor\t: 0\nmodel name\t: Linux as a library\n\n");
	return 0;
}

static void *start(struct seq_file *m, loff_t *at)
{
	return *at < 1 ? (void *)1 : NULL;
}

static void *next(struct seq_file *m, void *v, loff_t *at)
{
	++*at;
	return NULL;
}

static void stop(struct seq_file *m, void *v) {}

const struct seq_operations cpuinfo_op = { .start = start, .next = next, .stop = stop, .show = show };
