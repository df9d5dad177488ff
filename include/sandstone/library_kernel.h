/* The library kernel: Linux, booted inside this process, answering system calls by function call.
 *
 *   sandstone_kernel *kernel;
 *   char error[256];
 *   if (sandstone_kernel_boot(NULL, &kernel, error, sizeof error) != 0) { fprintf(stderr, "%s\n", error); return 125; }
 *   sandstone_task *task = sandstone_kernel_first_task(kernel);
 *   int64_t fd = sandstone_call(task, SYS_openat, AT_FDCWD, (long)"/hello", O_CREAT | O_RDWR, 0644, 0, 0);
 *   sandstone_kernel_halt(kernel);
 *
 * What a call means is in its manual page: it is Linux (x86-64's numbers, structures and errors), with its own files,
 * processes, network and users, which have nothing to do with the host's. A fresh kernel has an empty root folder in
 * memory and one task, process 1, which is root there.
 *
 * Rules
 * - One kernel at a time in a process: it lives at fixed addresses (32 TiB up). It handles SIGSEGV and SIGBUS of its own
 *   code, and passes on all others.
 * - A task makes one call at a time, from any thread. Different tasks may call from different threads at once; a call
 *   that blocks blocks only its thread. Never call from a signal handler.
 * - Pointers in calls mean this process's memory. A bad one gives -EFAULT, also if it goes bad in the middle.
 * - The kernel is not a wall: its code and data are in this process. Walls stand around the process (docs/security.md).
 * - Functions that give an int give 0 (or a number from 0 up) or -errno; `error`, where there is one, gets one line. */
#ifndef SANDSTONE_LIBRARY_KERNEL_H
#define SANDSTONE_LIBRARY_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sandstone_kernel sandstone_kernel;
typedef struct sandstone_task sandstone_task; /* owned by its kernel; valid until sandstone_task_release or halt */

typedef struct sandstone_kernel_options {
  size_t size;              /* sizeof(sandstone_kernel_options), so that it can grow */
  uint64_t memory;          /* bytes, whole pages; 0: 256 MiB. Taken from the host only as it is used */
  const char *command_line; /* NULL: "quiet"; see Documentation/admin-guide/kernel-parameters.txt */
  const char *image;        /* path of the kernel's image; NULL: the one that was built or installed with this library */
  /* The kernel's console (what its log level lets through), called on a thread of the kernel's; NULL: nowhere. */
  void (*log)(void *context, const char *text, size_t length);
  void *log_context;
} sandstone_kernel_options;

/* Boots; NULL options: all defaults. On failure *kernel is NULL and nothing is left behind. */
int sandstone_kernel_boot(const sandstone_kernel_options *options, sandstone_kernel **kernel, char *error,
                          size_t error_size);

/* Ends every task, syncs, makes every file system read-only, and frees the kernel and all its tasks and devices. No call may be under way or come
 * in. -EIO if it had died before: then what was not synced is lost, as after a power failure. NULL is allowed. */
int sandstone_kernel_halt(sandstone_kernel *kernel);

/* Why it is not running any more, and 0 while it is: -ESHUTDOWN after a power-off from inside, -EIO after a panic or a
 * bug. From then on every call gives -EIO. */
int sandstone_kernel_state(sandstone_kernel *kernel);

/* Copies the end of what the console printed, NUL-terminated; returns its whole length. Also after the kernel has died.
 * The kernel's whole log is syslog(2)'s, by a call. */
size_t sandstone_kernel_console(sandstone_kernel *kernel, char *text, size_t size);

/* --- Tasks: threads and processes of the kernel's --- */

/* Process 1. Always there; its exit is the kernel's end. */
sandstone_task *sandstone_kernel_first_task(sandstone_kernel *kernel);

/* A new task, as clone(2) makes it from `parent`: `flags` are CLONE_… (which of files, cwd, handlers, namespaces are
 * shared; which thread group) and the signal for the parent in the low byte. `pid` from 1 up is the wanted number, 0 any.
 * CLONE_VM says that both mean the same memory by a pointer, as they do here anyway. The parent's call must not be under
 * way. */
int sandstone_task_clone(sandstone_task *parent, uint64_t flags, int32_t pid, sandstone_task **task);

/* Takes a task that a call of its parent's made (fork, clone: those return the pid here, and only there). -ESRCH: there
 * is none with that number in the first pid namespace; -EBUSY: somebody has it. */
int sandstone_task_adopt(sandstone_kernel *kernel, int32_t pid, sandstone_task **task);

int32_t sandstone_task_pid(const sandstone_task *task); /* in the kernel's first pid namespace */

/* Makes a system call: its result, or -errno from -4095 up. -ESRCH if the task has ended (it exited, was killed, or the
 * call was its exit), -EIO if the kernel has. If a signal with a handler is due, the call ends as for that
 * (sandstone_task_signal). */
int64_t sandstone_call(sandstone_task *task, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                       uint64_t f);

/* --- Several processes on one kernel ---
 *
 * Children of the kernel's process (fork(2), no exec) may make calls as well, each by function call as here: the kernel
 * is mapped in all of them. They trust each other, as threads do. A child that dies at any moment, by SIGKILL too, ends
 * its own tasks only: an undertaker process finishes what it was doing. If the kernel's process ends, every call in
 * every child gives -EIO. */

/* Starts the undertaker. Before the first such fork; from the thread that forks, with no other call under way. */
int sandstone_kernel_share(sandstone_kernel *kernel, char *error, size_t error_size);

/* In the child, first of all. Of the kernel's other functions it may then use those of its tasks, sandstone_task_adopt and
 * sandstone_kernel_state. Once for a process. */
int sandstone_kernel_join(sandstone_kernel *kernel);

/* In the parent: thread `tid` of a child (the child's pid for its first one) makes this task's calls from now on, and the
 * undertaker ends the task when that thread is no more, even if it is so already. The child has the same handle, from
 * before the fork; the parent's is gone. -EPERM: the undertaker may not trace that thread; -ENOTCONN: there is none. */
int sandstone_task_give(sandstone_task *task, int32_t tid);

/* --- */

/* Whose memory the pointers of the task's calls mean: 0, this process's (the default), or that of the process `pid` of the
 * host, which this one must be allowed to trace (process_vm_readv(2)). No call of the task's may be under way. */
int sandstone_task_memory(sandstone_task *task, int32_t pid);

/* From any thread: the call that the task is blocked in ends with -EINTR; none is a success too. */
int sandstone_task_interrupt(sandstone_task *task);

/* The signal for a handler of the task's, set by rt_sigaction, that came with its last call. The kernel has already
 * blocked what the handler wants blocked: `mask` is the one to give back with rt_sigprocmask. A call that gave -512
 * (ERESTARTSYS) with it is to be made again after the handler, as SA_RESTART says. */
typedef struct sandstone_signal {
  uint32_t number;   /* 1 to 64 */
  uint32_t flags;    /* SA_… */
  uint64_t handler;  /* as given to rt_sigaction */
  uint64_t restorer; /* the same */
  uint64_t mask;     /* bit n-1 for signal n */
  uint8_t info[128]; /* siginfo_t */
} sandstone_signal;
int sandstone_task_signal(sandstone_task *task, sandstone_signal *signal); /* 1: there was one, and it is taken; 0: none */

/* exit_group(2): all threads of its process end; 0. The task is released as well. */
int sandstone_task_exit(sandstone_task *task, int status);
void sandstone_task_release(sandstone_task *task); /* only lets go of it: it stays, and can be adopted. NULL is allowed */

/* --- Devices. Each gives its number, 0 to 31. The kernel finds it at once. A `context` is used until the device is
 * removed or the kernel halted. --- */

#define SANDSTONE_DISK_READ_ONLY 1U
#define SANDSTONE_DISK_PERSIST 2U /* changes go to the image; otherwise they are this kernel's alone, and end with it */

/* A raw disk image as a virtio disk. Its first one is /dev/vda in devtmpfs. */
int sandstone_kernel_add_disk(sandstone_kernel *kernel, const char *path, unsigned flags, char *error,
                              size_t error_size);

/* A host folder for mount(tag, …, "virtiofs"). */
#define SANDSTONE_FOLDER_READ_ONLY 1U
int sandstone_kernel_add_folder(sandstone_kernel *kernel, const char *path, const char *tag, unsigned flags, char *error,
                                size_t error_size);

/* A network card: `frame` gets what the kernel sends (Ethernet, at most 65,562 bytes), on a thread of the device's. */
int sandstone_kernel_add_network(sandstone_kernel *kernel, const uint8_t mac[6], uint16_t mtu,
                                 void (*frame)(void *context, const void *data, size_t size), void *context, char *error,
                                 size_t error_size);
/* A frame for the kernel: 0, or -ENOBUFS if it is lost as the kernel does not keep up. */
int sandstone_kernel_deliver(sandstone_kernel *kernel, int number, const void *data, size_t size);

int sandstone_kernel_add_random(sandstone_kernel *kernel, char *error, size_t error_size); /* the host's getrandom(2) */

/* A terminal, /dev/hvc0 for the first: `output` gets what is written to it, on a thread of the device's. */
int sandstone_kernel_add_console(sandstone_kernel *kernel, void (*output)(void *context, const void *data, size_t size),
                                 void *context, char *error, size_t error_size);
/* Types into it: how many bytes it took (fewer when nobody reads), or -ENODEV. */
int64_t sandstone_kernel_type(sandstone_kernel *kernel, int number, const void *data, size_t size);

int sandstone_kernel_remove_device(sandstone_kernel *kernel, int number);

/* --- Helpers, each a few calls of process 1 --- */

/* /proc, /sys, /dev (devtmpfs, with /dev/pts and /dev/shm) and a tmpfs on /tmp, where they are not mounted yet. */
int sandstone_kernel_mount_basics(sandstone_kernel *kernel);

/* Mounts the disk of that number on `target`, which is made if need be; `type` NULL: ext4. `flags` are MS_…. */
int sandstone_kernel_mount_disk(sandstone_kernel *kernel, int number, const char *target, const char *type,
                                uint64_t flags);

typedef struct sandstone_statistics {
  uint64_t tasks, runnable;
  uint64_t memory_total, memory_free, memory_cached, memory_slab; /* bytes */
  uint64_t context_switches, interrupts;
  uint64_t up_nanoseconds;
  uint64_t deaths, deaths_with_cpu; /* threads of other processes that died, and those that held the CPU then */
} sandstone_statistics;
int sandstone_kernel_statistics(sandstone_kernel *kernel, sandstone_statistics *statistics);

#ifdef __cplusplus
}
#endif
#endif
