/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The image at its one address: the header that the loader looks for; text and constants, mapped executable and not
 * writable; all else. Text begins and ends on huge pages, so that a process that joins maps it with three faults, not
 * with dozens.
 */
#include <asm/cache.h>
#include <asm/page.h>
#include <asm/thread_info.h>
#include <lib_abi.h>
#define LOAD_OFFSET LIB_BASE
#define RO_AFTER_INIT_DATA /* is written at boot, when the constants are read-only already: it stands with the data */
#include <asm-generic/vmlinux.lds.h>
#ifndef CPUIDLE_TEXT /* since 6.5 it is part of other text */
#define CPUIDLE_TEXT
#endif

OUTPUT_FORMAT(elf64-x86-64)
OUTPUT_ARCH(i386:x86-64)
ENTRY(lib_header)
jiffies = jiffies_64;

PHDRS
{
	header PT_LOAD FLAGS(6);
	text PT_LOAD FLAGS(5);
	data PT_LOAD FLAGS(6);
	note PT_NOTE FLAGS(4);
}

SECTIONS
{
	. = LIB_BASE + LIB_IMAGE_OFFSET;
	.header : AT(ADDR(.header) - LOAD_OFFSET) {
		_text = .;
		KEEP(*(.lib_header))
		. = ALIGN(PAGE_SIZE);
	} :header
	.text : AT(ADDR(.text) - LOAD_OFFSET) {
		_stext = .;
		HEAD_TEXT
		TEXT_TEXT
		SCHED_TEXT
		CPUIDLE_TEXT
		LOCK_TEXT
		KPROBES_TEXT
		IRQENTRY_TEXT
		SOFTIRQENTRY_TEXT
		*(.fixup)
		*(.text.*)
		_etext = .;
	} :text
	. = ALIGN(PAGE_SIZE);
	INIT_TEXT_SECTION(PAGE_SIZE)
	.exit.text : AT(ADDR(.exit.text) - LOAD_OFFSET) { EXIT_TEXT }
	RO_DATA(PAGE_SIZE)
	. = ALIGN(LIB_HUGE_PAGE);
	lib_text_end = .;
	_sdata = .;
	.data.start : AT(ADDR(.data.start) - LOAD_OFFSET) {
		QUAD(0)
		__start_ro_after_init = .;
		*(.data..ro_after_init)
		JUMP_TABLE_DATA
		STATIC_CALL_DATA
		__end_ro_after_init = .;
	} :data
	EXCEPTION_TABLE(16) /* sorted at boot */
	RW_DATA(L1_CACHE_BYTES, PAGE_SIZE, THREAD_SIZE)
	/* Data with addresses in it, which -fPIE keeps apart. */
	.data.rel : AT(ADDR(.data.rel) - LOAD_OFFSET) {
		*(.data.rel .data.rel.local .data.rel.local.* .data.rel.*)
		*(.got .got.plt)
	}
	_edata = .;
	. = ALIGN(PAGE_SIZE);
	__init_begin = .;
	INIT_DATA_SECTION(16)
	.exit.data : AT(ADDR(.exit.data) - LOAD_OFFSET) { EXIT_DATA }
	PERCPU_SECTION(L1_CACHE_BYTES)
	. = ALIGN(PAGE_SIZE);
	__init_end = .;
	BSS_SECTION(PAGE_SIZE, PAGE_SIZE, PAGE_SIZE)
	. = ALIGN(PAGE_SIZE);
	_end = .;

	STABS_DEBUG
	DWARF_DEBUG
	ELF_DETAILS
	DISCARDS
}
