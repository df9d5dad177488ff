// SPDX-License-Identifier: GPL-2.0
/* The machine that there is not: memory from one file, no firmware, no hardware to look for. */
#include <linux/bitops.h>
#include <linux/console.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/math64.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/panic_notifier.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <linux/seq_file.h>
#include <linux/start_kernel.h>
#include <linux/string.h>
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
	.used = lib_used_blocks,
	.pending = &lib_pending,
	.counters = &lib_counters,
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
	u64 edge;

	strscpy(boot_command_line, lib_boot.command_line, COMMAND_LINE_SIZE);
	*command_line = boot_command_line;
	parse_early_param(); /* `quiet` must be known before the console is */
	memblock_add(0, lib_boot.memory);
	/* Upwards from the image: what boot allocates, above all the table of pages, is in the same huge pages as what comes later. */
	memblock_set_bottom_up(true);
	/* Page 0, whose address looks like an error in places; the image; the last page, over whose end a word may be
	 * read (asm/word-at-a-time.h). Where memory is in huge pages, all of those two: what would be left of them is what the page
	 * allocator would hand out first, and each process would fault in two more. Nobody touches them, so the host has none for them. */
	edge = lib_boot.memory < LIB_LEAST_HUGE ? PAGE_SIZE : LIB_PAGE_BLOCK;
	memblock_reserve(0, min(edge, (u64)LIB_IMAGE_OFFSET));
	memblock_reserve(LIB_IMAGE_OFFSET, PAGE_ALIGN((u64)_end) - (u64)&lib_header);
	memblock_reserve(lib_boot.memory - edge, edge);
	min_low_pfn = 0;
	lib_reserve_window();
	zone_ends[ZONE_NORMAL] = max_low_pfn;
	free_area_init(zone_ends);

	loops_per_jiffy = NSEC_PER_SEC / HZ; /* preset: calibrating takes milliseconds */
	lpj_fine = loops_per_jiffy;

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

/* /proc/cpuinfo tells of the host's processors, as that is where the programs run: how many of them, what they are. */
#define HOST_SCHED_GETAFFINITY 204

static void cpuid(u32 leaf, u32 subleaf, u32 *to)
{
	asm volatile("cpuid" : "=a"(to[0]), "=b"(to[1]), "=c"(to[2]), "=d"(to[3]) : "a"(leaf), "c"(subleaf));
}

static unsigned int processors(void)
{
	u64 mask[128] = {};
	long i, count = 0, size = lib_host(HOST_SCHED_GETAFFINITY, 0, sizeof(mask), (long)mask, 0, 0, 0);

	for (i = 0; i < size / 8; i++)
		count += hweight64(mask[i]);
	return count > 0 ? count : 1;
}

/* Those that programs look for: where cpuid says so, and their names. */
static const struct {
	u32 leaf;
	u8 word, bit; /* ebx is word 1 */
	char name[18];
} flags[] = {
	{ 1, 3, 0, "fpu" }, { 1, 3, 4, "tsc" }, { 1, 3, 8, "cx8" }, { 1, 3, 15, "cmov" }, { 1, 3, 19, "clflush" },
	{ 1, 3, 23, "mmx" }, { 1, 3, 24, "fxsr" }, { 1, 3, 25, "sse" }, { 1, 3, 26, "sse2" }, { 1, 3, 28, "ht" },
	{ 0x80000001, 3, 11, "syscall" }, { 0x80000001, 3, 20, "nx" }, { 0x80000001, 3, 27, "rdtscp" }, { 0x80000001, 3, 29, "lm" },
	{ 1, 2, 0, "pni" }, { 1, 2, 1, "pclmulqdq" }, { 1, 2, 9, "ssse3" }, { 1, 2, 12, "fma" }, { 1, 2, 13, "cx16" },
	{ 1, 2, 19, "sse4_1" }, { 1, 2, 20, "sse4_2" }, { 1, 2, 22, "movbe" }, { 1, 2, 23, "popcnt" }, { 1, 2, 25, "aes" },
	{ 1, 2, 26, "xsave" }, { 1, 2, 28, "avx" }, { 1, 2, 29, "f16c" }, { 1, 2, 30, "rdrand" }, { 1, 2, 31, "hypervisor" },
	{ 0x80000001, 2, 0, "lahf_lm" }, { 0x80000001, 2, 5, "abm" }, { 0x80000001, 2, 6, "sse4a" },
	{ 7, 1, 0, "fsgsbase" }, { 7, 1, 3, "bmi1" }, { 7, 1, 5, "avx2" }, { 7, 1, 8, "bmi2" }, { 7, 1, 9, "erms" },
	{ 7, 1, 16, "avx512f" }, { 7, 1, 17, "avx512dq" }, { 7, 1, 18, "rdseed" }, { 7, 1, 19, "adx" }, { 7, 1, 28, "avx512cd" },
	{ 7, 1, 29, "sha_ni" }, { 7, 1, 30, "avx512bw" }, { 7, 1, 31, "avx512vl" }, { 7, 2, 1, "avx512vbmi" }, { 7, 2, 8, "gfni" },
	{ 7, 2, 9, "vaes" }, { 7, 2, 10, "vpclmulqdq" }, { 7, 2, 11, "avx512_vnni" }, { 7, 3, 4, "fsrm" },
};

static int show(struct seq_file *m, void *v)
{
	u32 vendor[4], version[4], brand[13] = {};
	unsigned int i, family, model, count = processors(), number = (unsigned long)v - 1;

	cpuid(0, 0, vendor);
	cpuid(1, 0, version);
	family = version[0] >> 8 & 15;
	model = version[0] >> 4 & 15;
	if (family == 6 || family == 15)
		model += (version[0] >> 16 & 15) << 4;
	if (family == 15)
		family += version[0] >> 20 & 255;
	for (i = 0; i < 3; i++)
		cpuid(0x80000002 + i, 0, brand + 4 * i);
	seq_printf(m, "processor\t: %u\nvendor_id\t: %.4s%.4s%.4s\ncpu family\t: %u\nmodel\t\t: %u\n", number, (char *)&vendor[1],
		   (char *)&vendor[3], (char *)&vendor[2], family, model);
	seq_printf(m, "model name\t: %s\nstepping\t: %u\n", skip_spaces((char *)brand), version[0] & 15);
	if (lib_boot.tsc_multiplier) {
		u64 khz = div64_u64(1000000ULL << 32, lib_boot.tsc_multiplier);

		seq_printf(m, "cpu MHz\t\t: %llu.%03llu\n", khz / 1000, khz % 1000);
	}
	seq_printf(m, "physical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\nfpu\t\t: yes\nflags\t\t:", count, number, count);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		u32 words[4];

		cpuid(flags[i].leaf, 0, words);
		if (words[flags[i].word] >> flags[i].bit & 1)
			seq_printf(m, " %s", flags[i].name);
	}
	seq_puts(m, "\nclflush size\t: 64\ncache_alignment\t: 64\n\n");
	return 0;
}

static void *start(struct seq_file *m, loff_t *at)
{
	return *at < processors() ? (void *)(unsigned long)(*at + 1) : NULL;
}

static void *next(struct seq_file *m, void *v, loff_t *at)
{
	++*at;
	return start(m, at);
}

static void stop(struct seq_file *m, void *v) {}

const struct seq_operations cpuinfo_op = { .start = start, .next = next, .stop = stop, .show = show };
