// SPDX-License-Identifier: GPL-2.0
/* The windows to the outside: virtio devices by number, their registers reached through a word each side watches. */
#include <linux/err.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/platform_device.h>
#include <asm/lib.h>

static struct platform_device *devices[LIB_MAX_DEVICES];

/* Of virtio over MMIO */
#define REGISTER_NOTIFY 0x50
#define REGISTER_INTERRUPT_STATUS 0x60
#define REGISTER_INTERRUPT_ACK 0x64
#define SPINS 2000

/* A doorbell: whoever serves the device takes it when it comes by. Nobody waits. */
static void notify(struct lib_device_window *window, u32 queue)
{
	lib_or(&window->doorbells, 1U << (queue & 31));
	lib_add(&window->request, 1);
	if (READ_ONCE(window->sleeping))
		lib_futex_wake(&window->request, 1);
}

/* An access: rare (only while a driver sets its device up), so the CPU is kept and the caller waits. */
static u32 access(struct lib_device_window *window, u32 offset, u32 value, u32 size, bool write)
{
	u32 ticket;
	int i;

	if (!READ_ONCE(window->present))
		return ~0U;
	window->offset = offset;
	window->size = size;
	window->value = value;
	window->write = write;
	ticket = window->asked + 1;
	lib_swap(&window->asked, ticket);
	lib_add(&window->request, 1);
	if (READ_ONCE(window->sleeping))
		lib_futex_wake(&window->request, 1);
	for (i = 0; READ_ONCE(window->answer) != ticket; i++) {
		if (i < SPINS) {
			cpu_relax();
			continue;
		}
		if (!READ_ONCE(window->present))
			return ~0U;
		/* A second, so that a device whose side went away without a word is noticed. */
		lib_futex_wait(&window->answer, ticket - 1, lib_host_clock() + NSEC_PER_SEC);
	}
	return READ_ONCE(window->value);
}

static struct lib_device_window *window_of(const volatile void __iomem *address, u32 *offset)
{
	u64 at = (u64)address - LIB_IO - LIB_DEVICE_ADDRESS(0);

	if (WARN_ON_ONCE(at >= LIB_MAX_DEVICES * LIB_DEVICE_SIZE))
		return NULL;
	*offset = at % LIB_DEVICE_SIZE;
	return &lib_shared.windows[at / LIB_DEVICE_SIZE];
}

u32 lib_io_read(const volatile void __iomem *address, unsigned int size)
{
	u32 offset;
	struct lib_device_window *window = window_of(address, &offset);

	if (!window)
		return ~0U;
	if (offset == REGISTER_INTERRUPT_STATUS)
		return lib_swap(&window->interrupt, 0); /* and so acknowledged */
	return access(window, offset, 0, size, false);
}

void lib_io_write(volatile void __iomem *address, u32 value, unsigned int size)
{
	u32 offset;
	struct lib_device_window *window = window_of(address, &offset);

	if (!window)
		return;
	if (offset == REGISTER_NOTIFY)
		notify(window, value);
	else if (offset != REGISTER_INTERRUPT_ACK)
		access(window, offset, value, size, true);
}

long lib_device_add(unsigned int number)
{
	struct resource resources[] = {
		DEFINE_RES_MEM(LIB_DEVICE_ADDRESS(number), LIB_DEVICE_SIZE),
		DEFINE_RES_IRQ(LIB_INTERRUPT_DEVICE(number)),
	};
	struct platform_device *device;

	if (number >= LIB_MAX_DEVICES)
		return -EINVAL;
	if (devices[number])
		return -EBUSY;
	device = platform_device_register_simple("virtio-mmio", number, resources, ARRAY_SIZE(resources));
	if (IS_ERR(device))
		return PTR_ERR(device);
	devices[number] = device;
	return 0;
}

long lib_device_remove(unsigned int number)
{
	if (number >= LIB_MAX_DEVICES || !devices[number])
		return -ENODEV;
	platform_device_unregister(devices[number]);
	devices[number] = NULL;
	return 0;
}

/* Those that are there at boot. */
static int __init add_present(void)
{
	unsigned int i;

	for (i = 0; i < LIB_MAX_DEVICES; i++)
		if (READ_ONCE(lib_shared.windows[i].present))
			lib_device_add(i);
	return 0;
}
late_initcall(add_present);
