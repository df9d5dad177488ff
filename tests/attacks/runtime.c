// Attacks by a guest of the tier `kernel` that knows what lies in its own process: the run-time, whose text
// may call the host, and the library kernel, whose memory it can write. An attacker has read our source; so
// the layout is not guessed.
#include <lib_abi.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "attack.h"

// src/runtime/runtime.h
#define RUNTIME ((unsigned char*)LIB_RUNTIME)
#define RUNTIME_MAGIC 0x656d69746e7572UL
#define SLOTS (LIB_RUNTIME + 0x8000000000)
#define SLOTS_SIZE (65536UL * LIB_MAX_CARRIERS)
#define PATCHES (LIB_RUNTIME + 0xc000000000)
#define RINGS (LIB_RUNTIME + 0xd000000000)
#define RINGS_SIZE (4096UL + (65536UL + 4096) * 64)  // those of the first threads
#define MEMORY_SIZE (1UL << 30)

// --- calls from somebody else's text

static const unsigned char* gadget;  // syscall; ret

__asm__(
    ".pushsection .text\n"
    "own_gadget: syscall\n ret\n"
    ".popsection\n");
extern const unsigned char own_gadget[];

static const struct lib_header* kernel_header(void) {
  return (const void*)(LIB_BASE + LIB_IMAGE_OFFSET);
}

static void find_gadget(const char* whose) {
  if (strcmp(whose, "own") == 0) {
    gadget = own_gadget;
    return;
  }
  uint64_t header[5];
  memcpy(header, RUNTIME, sizeof header);
  if (header[0] != RUNTIME_MAGIC) broken("no run-time at %p", (void*)RUNTIME);
  const unsigned char* text = (const unsigned char*)header[3];
  for (unsigned at = 0; at < 4096; ++at)
    // Not the one that asks the library kernel's process where calls come by notification.
    if (text[at] == 0x0f && text[at + 1] == 0x05 && text[at + 2] == 0xc3 &&
        (uint64_t)(text + at + 2) != header[4]) {
      gadget = text + at;
      return;
    }
  broken("no syscall instruction in the run-time's text");
}

// As syscall(2), from the gadget; -errno on failure. What is below the stack pointer stays as it is.
static long raw(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("subq $256, %%rsp\n\tcall *%%rbx\n\taddq $256, %%rsp"
                   : "=a"(result)
                   : "a"(number), "b"(gadget), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory", "cc");
  return result;
}
#define RAW_1(n, a, b, c, d, e, f, ...) \
  raw((long)(n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define RAW(...) RAW_1(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

static long try_open(const char* unused) {
  (void)unused;
  return RAW(SYS_open, "/", O_RDONLY | O_DIRECTORY);
}
static long try_openat(const char* unused) {
  (void)unused;
  return RAW(SYS_openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY);
}
static long try_openat2(const char* unused) {
  (void)unused;
  struct open_how how = {.flags = O_RDONLY | O_DIRECTORY};
  return RAW(SYS_openat2, AT_FDCWD, "/", &how, sizeof how);
}
static long try_socket(const char* unused) {
  (void)unused;
  return RAW(SYS_socket, AF_INET, SOCK_STREAM, 0);
}
static long try_unix_socket(const char* unused) {
  (void)unused;
  return RAW(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
}
static long try_socketpair(const char* unused) {
  (void)unused;
  int ends[2];
  return RAW(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends);
}
static long try_connect(const char* port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  long fd = RAW(SYS_socket, AF_INET, SOCK_STREAM, 0);
  return RAW(SYS_connect, fd < 0 ? 0 : fd, &address, sizeof address);
}
static long try_ptrace(const char* unused) {
  (void)unused;
  return RAW(SYS_ptrace, PTRACE_TRACEME);
}
static long try_mount(const char* unused) {
  (void)unused;
  // In namespaces of its own, where they are to be had: the mount is gone when this process is.
  RAW(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS);
  return RAW(SYS_mount, "none", "/tmp", "tmpfs", 0, 0);
}
static long try_exit(const char* unused) {
  (void)unused;
  return RAW(SYS_exit_group, 0);
}
static long try_unshare(const char* unused) {
  (void)unused;
  return RAW(SYS_unshare, CLONE_NEWUSER);
}
static long try_clone_user(const char* unused) {
  (void)unused;
  long pid = RAW(SYS_clone, CLONE_NEWUSER | SIGCHLD);
  if (pid == 0) RAW(SYS_exit_group, 0);
  return pid;
}
static long try_clone3_user(const char* unused) {
  (void)unused;
  struct clone_args how = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  long pid = RAW(SYS_clone3, &how, sizeof how);
  if (pid == 0) RAW(SYS_exit_group, 0);
  return pid;
}
static long try_execve(const char* program) {
  const char* words[] = {"attack", "win", NULL};
  const char* none[] = {NULL};
  return RAW(SYS_execve, program, words, none);  // "win" ends as one that has won
}
static long try_vm_write(const char* unused) {
  (void)unused;
  static char target[4];
  struct iovec from = {"evil", 4};
  struct iovec to = {target, 4};
  long done = RAW(SYS_process_vm_writev, RAW(SYS_getpid), &from, 1, &to, 1, 0);
  return done == 4 && memcmp(target, "evil", 4) == 0 ? 0 : done;
}
static long try_vm_read(const char* unused) {
  (void)unused;
  static char target[4];
  struct iovec to = {target, 4};
  struct iovec from = {"evil", 4};
  long done = RAW(SYS_process_vm_readv, RAW(SYS_getpid), &to, 1, &from, 1, 0);
  return done == 4 && memcmp(target, "evil", 4) == 0 ? 0 : done;
}
static long try_kill(const char* unused) {
  (void)unused;
  return RAW(SYS_kill, RAW(SYS_getpid), 0);
}
static long try_pidfd(const char* unused) {
  (void)unused;
  return RAW(SYS_pidfd_open, RAW(SYS_getpid), 0);
}
static long try_memfd(const char* unused) {
  (void)unused;
  return RAW(SYS_memfd_create, "mine", 0);
}
static long try_dup(const char* unused) {
  (void)unused;
  return RAW(SYS_dup, 1);
}
static long try_prctl(const char* unused) {
  (void)unused;
  return RAW(SYS_prctl, PR_SET_NAME, "evil");
}
static long try_ring(const char* unused) {
  (void)unused;
  struct io_uring_params parameters = {0};
  return RAW(SYS_io_uring_setup, 4, &parameters);
}
// A filter that asks for a notification: whoever hears it could say "go on".
static long try_listener(const char* unused) {
  (void)unused;
  struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)};
  struct sock_fprog program = {1, code};
  RAW(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  long fd = RAW(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  // From here on every call waits for a listener; the kernel takes this process away with its parent.
  if (fd >= 0) __asm__ volatile("hlt");
  return fd;
}
static long try_terminal(const char* unused) {
  (void)unused;
  char letter = 'x';
  for (int fd = 0; fd < 3; ++fd) {
    long done = RAW(SYS_ioctl, fd, FIONREAD, &letter);
    if (done != -EPERM && done != -ENOSYS) return 0;  // the question has reached a driver
  }
  return -EPERM;
}

static const struct {
  const char* name;
  long (*run)(const char* argument);
} kRawCalls[] = {
    {"open", try_open},
    {"openat", try_openat},
    {"openat2", try_openat2},
    {"socket", try_socket},
    {"unix-socket", try_unix_socket},
    {"socketpair", try_socketpair},
    {"connect", try_connect},
    {"ptrace", try_ptrace},
    {"mount", try_mount},
    {"unshare", try_unshare},
    {"clone-user", try_clone_user},
    {"clone3-user", try_clone3_user},
    {"execve", try_execve},
    {"vm-write", try_vm_write},
    {"vm-read", try_vm_read},
    {"kill", try_kill},
    {"pidfd", try_pidfd},
    {"memfd", try_memfd},
    {"dup", try_dup},
    {"prctl", try_prctl},
    {"io-uring", try_ring},
    {"listener", try_listener},
    {"terminal", try_terminal},
    {"exit", try_exit},
};

static int work_of_raw_call(void* data) {
  char** words = data;
  for (size_t i = 0; i < sizeof kRawCalls / sizeof kRawCalls[0]; ++i) {
    if (strcmp(kRawCalls[i].name, words[0]) != 0) continue;
    long result = kRawCalls[i].run(words[1]);
    if (result >= 0) return kWon;
    return result == -ENOSYS ? 100 : result == -EPERM ? 101 : 102;
  }
  return kBroken;
}

// raw-call own|runtime NAME [ARGUMENT]
static void raw_call(int argc, char** argv) {
  if (argc < 2) broken("usage: raw-call own|runtime NAME [ARGUMENT]");
  find_gadget(argv[0]);
  char* words[] = {argv[1], argc > 2 ? argv[2] : "", NULL};
  const int status = in_child(work_of_raw_call, words);
  errno = 0;
  if (status == kWon || (strcmp(argv[1], "listener") == 0 && status == 128 + SIGSEGV)) won("%s", argv[1]);
  if (status == 100) errno = ENOSYS;
  if (status == 101) errno = EPERM;
  if (status != 100 && status != 101) broken("%s: status %d", argv[1], status);
  refused("%s", argv[1]);
}

static void win(int argc, char** argv) {
  (void)argc, (void)argv;
  won("executed");
}

// raw-sweep own|runtime: prints the numbers of all calls that do not end with ENOSYS. Their arguments are
// nonsense.
static void raw_sweep(int argc, char** argv) {
  if (argc < 1) broken("usage: raw-sweep own|runtime");
  find_gadget(argv[0]);
  volatile long* answer = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (answer == MAP_FAILED) broken("mmap");
  for (long number = 0; number < 600; ++number) {
    *answer = 0;
    fflush(stdout);
    const pid_t pid = fork();
    if (pid < 0) broken("fork");
    if (pid == 0) {
      *answer = RAW(number, -1, -1, -1, -1, -1, -1);
      _exit(0);
    }
    pid_t ended = 0;
    for (int tries = 0; tries < 300 && (ended = waitpid(pid, NULL, WNOHANG)) == 0 && *answer == 0; ++tries) {
      const struct timespec pause = {0, 1000000};
      nanosleep(&pause, NULL);
    }
    if (ended == 0) {
      kill(pid, SIGKILL);
      waitpid(pid, NULL, 0);
    }
    if (*answer != -ENOSYS) printf("%ld\n", number);
  }
  fflush(stdout);
  errno = 0;
  refused("swept");
}

// raw-kill: every process that the domain's one signalling call reaches.
static void raw_kill(int argc, char** argv) {
  (void)argc, (void)argv;
  find_gadget("runtime");
  const long self = RAW(SYS_getpid);
  for (long pid = 1; pid < 300; ++pid)
    if (pid != self) RAW(SYS_tgkill, pid, pid, SIGKILL);
  for (;;) RAW(SYS_sched_yield);
}

// raw-survive: a process that no kernel of ours knows of, made a sibling of its maker; it never ends by
// itself.
static void raw_survive(int argc, char** argv) {
  find_gadget("runtime");
  for (int i = 0; i < 3; ++i) {
    const long pid = RAW(SYS_clone, (i == 0 ? CLONE_PARENT : 0) | SIGCHLD);
    if (pid == 0)
      for (;;) {
        struct timespec pause = {1, 0};
        RAW(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &pause, 0);
      }
    if (pid < 0) broken("clone %ld", pid);
  }
  errno = 0;
  if (argc > 0 && strcmp(argv[0], "spin") == 0)
    for (;;) continue;
  refused("left behind");
}

// --- what a guest can write

static uint64_t seed;
static uint64_t some(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

// The parts of it, by name.
static bool area_named(const char* name, uint64_t* at, uint64_t* size) {
  const struct lib_header* header = kernel_header();
  const struct {
    const char* name;
    uint64_t at, size;
  } areas[] = {
      {"data", header->text_end, header->image_end - header->text_end},  // of the library kernel's image
      {"pages", LIB_BASE + (64UL << 20), 192UL << 20},                   // its heap, stacks, and virtqueues
      {"lock", (uint64_t)header->shared, 64},
      {"windows", (uint64_t)header->shared->windows, sizeof header->shared->windows},
      {"carriers", (uint64_t)header->carriers, sizeof(struct lib_carrier) * 16},
      {"header", (uint64_t)header, sizeof *header},
      {"slots", SLOTS, 65536UL * 16},
      {"patches", PATCHES, 65536},
      {"rings", RINGS, RINGS_SIZE},
  };
  for (size_t i = 0; i < sizeof areas / sizeof areas[0]; ++i) {
    if (strcmp(areas[i].name, name) != 0) continue;
    *at = areas[i].at;
    *size = areas[i].size;
    return true;
  }
  return false;
}

static sigjmp_buf bad_address;
static void on_fault(int number) {
  (void)number;
  siglongjmp(bad_address, 1);
}

static double now(void) {
  struct timespec time;
  RAW(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// scribble AREA SEED SECONDS: random words all over it, at once and again and again; in between the calls of
// a program.
static void scribble(int argc, char** argv) {
  if (argc < 3) broken("usage: scribble AREA SEED SECONDS");
  find_gadget("runtime");
  uint64_t at = 0;
  uint64_t size = 0;
  if (!area_named(argv[0], &at, &size)) broken("no area is called %s", argv[0]);
  seed = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15 + 1;
  // What is there must be ours to write, or nothing is tried here.
  volatile uint64_t* word = (volatile uint64_t*)(at + size / 2 / 8 * 8);
  *word = some();
  RAW(SYS_write, 2, "scribbling\n", 11);
  const double end = now() + atof(argv[2]);
  while (now() < end) {
    for (int i = 0; i < 20000; ++i)
      *(volatile uint64_t*)(at + some() % (size / 8) * 8) = some() >> some() % 64;
    if (strcmp(argv[0], "windows") == 0) {
      // Who listens at a window is woken, and finds what is there.
      struct lib_device_window* window = &kernel_header()->shared->windows[some() % 4];
      RAW(SYS_futex, &window->request, 1, 0x7fffffff);
    }
    int fd = open("/proc/version", O_RDONLY);
    char text[64];
    if (read(fd, text, sizeof text) > 0) close(fd);
  }
  refused("scribbled");
}

// registers SEED SECONDS: every access that a driver could make, as one would make it, with random values:
// queues anywhere in memory, of any size, started, rung and reset.
static void registers(int argc, char** argv) {
  if (argc < 2) broken("usage: registers SEED SECONDS");
  find_gadget("runtime");
  seed = strtoull(argv[0], NULL, 10) * 0x9e3779b97f4a7c15 + 1;
  static const uint32_t kInteresting[] = {0x14, 0x20, 0x24, 0x30, 0x38, 0x44, 0x50, 0x64, 0x70,
                                          0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, 0xfc, 0x100};
  unsigned answered = 0;
  RAW(SYS_write, 2, "scribbling\n", 11);
  const double end = now() + atof(argv[1]);
  while (now() < end) {
    struct lib_device_window* window = &kernel_header()->shared->windows[some() % 3];
    window->offset = some() % 4 != 0 ? kInteresting[some() % (sizeof kInteresting / 4)] : (uint32_t)some();
    window->size = some() % 8 != 0 ? 4 : (uint32_t)some();
    window->write = some() % 4 != 0;
    // Small numbers, addresses in the first 256 MiB of memory, and anything.
    const uint64_t kind = some() % 3;
    window->value = kind == 0   ? (uint32_t)some() % 16
                    : kind == 1 ? (uint32_t)some() % (256U << 20) & ~15U
                                : (uint32_t)some();
    const uint32_t asked = __atomic_add_fetch(&window->asked, 1, __ATOMIC_SEQ_CST);
    if (some() % 4 == 0) window->doorbells = (uint32_t)some();
    __atomic_add_fetch(&window->request, 1, __ATOMIC_SEQ_CST);
    RAW(SYS_futex, &window->request, 1, 0x7fffffff);
    for (int i = 0; i < 2000 && __atomic_load_n(&window->answer, __ATOMIC_SEQ_CST) != asked; ++i)
      __asm__ volatile("pause");
    answered += window->answer == asked;
    // Descriptors of a queue that may be anywhere.
    for (int i = 0; i < 64; ++i) {
      volatile uint64_t* entry = (volatile uint64_t*)(LIB_BASE + some() % (16UL << 20) * 16);
      if ((uint64_t)entry < kernel_header()->text_end) continue;
      entry[0] = some() % (1UL << 30);
      entry[1] = some() & 0x000f000fffffffff;
    }
  }
  char line[64];
  const int length = snprintf(line, sizeof line, "answered %u\n", answered);
  RAW(SYS_write, 2, line, length);
  refused("played");
}

// unmap WHAT HOW: the run-time's and the kernel's ranges, asked for politely (then nothing may happen), or by
// the gadget.
static void unmap(int argc, char** argv) {
  if (argc < 2) broken("usage: unmap text|slots|kernel|all unmap|remap|protect|move|raw");
  const bool text = strcmp(argv[0], "text") == 0;
  const bool slots = strcmp(argv[0], "slots") == 0;
  const bool kernel = strcmp(argv[0], "kernel") == 0;
  const uint64_t at = text ? LIB_RUNTIME : slots ? SLOTS : kernel ? LIB_BASE : 0x10000;
  const uint64_t size = text     ? 1UL << 20
                        : slots  ? SLOTS_SIZE
                        : kernel ? MEMORY_SIZE
                                 : 0x7ffffffff000 - 0x10000;
  void* where = (void*)at;
  long done = -1;
  if (strcmp(argv[1], "raw") == 0) {
    find_gadget("runtime");
    RAW(SYS_munmap, at, size);
    getppid();
    refused("there is still somebody who answers");
  }
  if (strcmp(argv[1], "unmap") == 0) done = munmap(where, size);
  if (strcmp(argv[1], "protect") == 0) done = mprotect(where, size, PROT_READ | PROT_WRITE | PROT_EXEC);
  if (strcmp(argv[1], "remap") == 0)
    done =
        mmap(where, size, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == where
            ? 0
            : -1;
  if (strcmp(argv[1], "move") == 0)
    done = mremap(where, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (void*)0x700000000000) == MAP_FAILED ? -1
                                                                                                         : 0;
  if (done == 0) won("%s of %s", argv[1], argv[0]);
  const int error = errno;
  getppid();
  errno = error;
  refused("%s of %s", argv[1], argv[0]);
}

// --- calls that do not come from our text

// Writes code of ours that calls the kernel, number first: no rewriter has seen it. Null: it may not be made
// executable.
typedef long (*Call)(long number, ...);
static Call written_call(const char* how) {
  const int both = PROT_READ | PROT_WRITE | PROT_EXEC;
  unsigned char* page = mmap(NULL, 4096, strcmp(how, "at-once") == 0 ? both : PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return NULL;
  // mov rax, rdi; mov rdi, rsi; mov rsi, rdx; mov rdx, rcx; syscall; ret
  static const unsigned char code[] = {0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89,
                                       0xd6, 0x48, 0x89, 0xca, 0x0f, 0x05, 0xc3};
  memcpy(page, code, sizeof code);
  if (strcmp(how, "at-once") != 0 &&
      mprotect(page, 4096, strcmp(how, "both") == 0 ? both : PROT_READ | PROT_EXEC) != 0)
    return NULL;
  return (Call)page;
}

static volatile sig_atomic_t sigsys_seen;
static void on_sigsys(int number) {
  (void)number;
  sigsys_seen = 1;
}

struct host_sigaction {
  void* handler;
  unsigned long flags;
  void* restorer;
  unsigned long mask;
};

__asm__(
    ".pushsection .text\n"
    "own_restorer: movl $15, %eax\n syscall\n"
    ".popsection\n");
extern const unsigned char own_restorer[];

static int work_of_sigsys(void* data) {
  const char* how = data;
  find_gadget("runtime");
  const Call call = written_call("later");
  if (call == NULL || call(SYS_getpid) != getpid()) return kBroken;
  if (strcmp(how, "block") == 0) {
    uint64_t mask = 1UL << (SIGSYS - 1);
    if (RAW(SYS_rt_sigprocmask, SIG_BLOCK, &mask, 0, 8) != 0) return kBroken;
  } else {
    struct host_sigaction action = {strcmp(how, "ignore") == 0    ? (void*)SIG_IGN
                                    : strcmp(how, "default") == 0 ? (void*)SIG_DFL
                                                                  : (void*)on_sigsys,
                                    0x04000000, (void*)own_restorer, 0};
    if (RAW(SYS_rt_sigaction, SIGSYS, &action, 0, 8) != 0) return kBroken;
  }
  // A descriptor of the host's answers a call of the host's; one of the library kernel's is not known there.
  const long fd = call(SYS_openat, AT_FDCWD, "/", O_RDONLY);
  char byte;
  const bool gained = fd >= 0 && fd < 1024 && RAW(SYS_read, fd, &byte, 1) == -EISDIR;
  return gained ? kWon : sigsys_seen ? 1 : kRefused;
}

// sigsys block|ignore|default|handle: what tells calls apart is taken away; the calls must not reach the host
// by that.
static void sigsys(int argc, char** argv) {
  if (argc < 1) broken("usage: sigsys block|ignore|default|handle");
  const int status = in_child(work_of_sigsys, argv[0]);
  errno = 0;
  if (status == kWon) won("a call reached the host");
  if (status == kBroken) broken("%s", argv[0]);
  refused("it ended with %d", status);
}

// jit at-once|both|later: memory that is writable and executable at once, becomes both, or one after the
// other; the code that is written there calls the kernel directly. Prints who answered: a host name, a
// release and a pid.
static void jit(int argc, char** argv) {
  const Call call = written_call(argc > 0 ? argv[0] : "");
  if (call == NULL) refused("code of its own");
  struct utsname names;
  if (call(SYS_uname, &names) != 0) broken("uname");
  if (call(SYS_getpid) != getpid()) broken("another pid");
  const long fd = call(SYS_openat, AT_FDCWD, "/", O_RDONLY);
  if (fd < 0 || fcntl((int)fd, F_GETFD) < 0) broken("openat %ld", fd);
  printf("%s %s %d\n", names.nodename, names.release, getpid());
  fflush(stdout);
  won("%s", argc > 0 ? argv[0] : "");
}

// --- what can be read

static bool find_canary(const char* at, size_t size, char* text) {
  const size_t mark = strlen(CANARY);
  for (const char* end = at + size; (size_t)(end - at) >= mark + 16; ++at) {
    at = memchr(at, CANARY[0], (size_t)(end - at) - mark - 15);
    if (at == NULL) return false;
    if (memcmp(at, CANARY, mark) != 0) continue;
    size_t digits = 0;
    while (digits < 16 && strchr("0123456789abcdef", at[mark + digits]) != NULL && at[mark + digits] != '\0')
      ++digits;
    if (digits < 16) continue;
    snprintf(text, mark + 17, "%s", at);
    return true;
  }
  return false;
}

static size_t scanned;

static bool page_has_canary(uint64_t at, char* text) {
  if (sigsetjmp(bad_address, 1) != 0) return false;
  ++scanned;
  return find_canary((const char*)at, 4096, text);
}

static bool scan(uint64_t at, uint64_t end, char* text) {
  static unsigned char there[512];
  for (; at < end; at += sizeof there * 4096) {
    const uint64_t size = end - at < sizeof there * 4096 ? end - at : sizeof there * 4096;
    memset(there, 0, sizeof there);
    const bool whole = RAW(SYS_mincore, at, size, there) == 0;
    for (uint64_t page = 0; page < size / 4096; ++page) {
      const uint64_t address = at + page * 4096;
      unsigned char one = 0;
      // What is not there yet is not made to be there: it holds nothing.
      if (whole ? there[page] == 0 : RAW(SYS_mincore, address, 4096, &one) != 0 || one == 0) continue;
      if (page_has_canary(address, text)) return true;
    }
  }
  return false;
}

// scan own|runtime: all memory that this process can read, for a secret of the caller's.
static void scan_memory(int argc, char** argv) {
  if (argc < 1) broken("usage: scan own|runtime");
  find_gadget(argv[0]);
  signal(SIGSEGV, on_fault);
  signal(SIGBUS, on_fault);
  char text[64];
  bool found = false;
  if (gadget != own_gadget)
    found = scan(LIB_RUNTIME, LIB_RUNTIME + (4UL << 20), text) || scan(SLOTS, SLOTS + SLOTS_SIZE, text) ||
            scan(PATCHES, PATCHES + (1UL << 20), text) || scan(RINGS, RINGS + RINGS_SIZE, text) ||
            scan(LIB_BASE, LIB_BASE + MEMORY_SIZE, text);
  FILE* maps = fopen("/proc/self/maps", "r");
  if (maps == NULL && gadget == own_gadget) broken("no /proc");
  char line[512];
  while (!found && maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    unsigned long start = 0;
    unsigned long end = 0;
    char right = 0;
    if (sscanf(line, "%lx-%lx %c", &start, &end, &right) == 3 && right == 'r' && end < 0x800000000000)
      found = scan(start, end, text);
  }
  if (found) won("%s", text);
  errno = 0;
  refused("%zu pages hold nothing", scanned);
}

// descriptors own|runtime: what the host's side of this process has open, but for the streams.
static void host_descriptors(int argc, char** argv) {
  if (argc < 1) broken("usage: host-descriptors own|runtime");
  find_gadget(argv[0]);
  unsigned open = 0;
  char text[64] = {0};
  for (int fd = 3; fd < 1024; ++fd) {
    const long got = RAW(SYS_read, fd, text, sizeof text - 1);
    if (got == -EBADF || got == -ENOSYS) continue;
    ++open;
    if (got > 0 && strncmp(text, CANARY, strlen(CANARY)) == 0) won("descriptor %d: %s", fd, text);
  }
  errno = 0;
  refused("%u are open", open);
}

const Attack kRuntimeAttacks[] = {
    {"raw-call", raw_call},
    {"win", win},
    {"raw-sweep", raw_sweep},
    {"raw-kill", raw_kill},
    {"raw-survive", raw_survive},
    {"scribble", scribble},
    {"registers", registers},
    {"unmap", unmap},
    {"sigsys", sigsys},
    {"jit", jit},
    {"scan", scan_memory},
    {"host-descriptors", host_descriptors},
    {NULL, NULL},
};
