// What a guest could try against the library kernel's process, which answers its calls by notification. It has the run-time in
// its memory, so it can jump to any instruction there, and make the host's calls that its filter leaves to that text.
// Prints a line for each attempt that did anything, and then "done".
#include <errno.h>
#include <fcntl.h>
#include <lib_layout.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const uint64_t kRuntime = LIB_RUNTIME, kLibrary = LIB_BASE, kLibraryEnd = LIB_KERNEL_END, kSlots = LIB_STACKS;
enum { kRequestAt = 1024, kSlotSize = 64 << 10, kLibCalls = 0x10000 };

static uint64_t raw_call, notify;

// From the run-time's own text, as the host sees it.
static long raw(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("subq $128, %%rsp\n call *%[to]\n addq $128, %%rsp"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9), [to] "r"(raw_call)
                   : "rcx", "r11", "memory");
  return result;
}

static long ask(uint64_t number, uint64_t a, uint64_t b) {
  uint64_t slot;
  __asm__("movq %%gs:0, %0" : "=r"(slot));
  uint64_t* request = (uint64_t*)(slot + kRequestAt);
  memset(request, 0, 64);
  request[0] = number;
  request[1] = a;
  request[2] = b;
  long result;
  __asm__ volatile("subq $128, %%rsp\n call *%[to]\n addq $128, %%rsp"
                   : "=a"(result)
                   : "D"((slot - kSlots) / kSlotSize), [to] "r"(notify)
                   : "rcx", "r11", "memory");
  return result;
}

static sigjmp_buf back;
static void on_fault(int number) {
  siglongjmp(back, number);
}

static int can_read(uint64_t at) {
  if (sigsetjmp(back, 1) != 0) return 0;
  (void)*(volatile uint8_t*)at;
  return 1;
}

// The part of the library kernel's memory that can be mapped from: how many of its pages hold anything.
static int pages_of_the_window(void) {
  enum { kPart = 1 << 20 };
  static uint8_t zeros[4096];
  uint8_t* place = (uint8_t*)(1ULL << 40);
  int found = 0;
  for (uint64_t at = kLibrary; at < kLibrary + (8ULL << 30); at += kPart) {
    if (raw(SYS_mremap, (long)at, 0, kPart, 3 /* MAYMOVE | FIXED */, (long)place, 0) != (long)place) continue;
    raw(SYS_mprotect, (long)place, kPart, 1, 0, 0, 0);
    for (uint8_t* page = place; page < place + kPart && can_read((uint64_t)page); page += 4096)
      found += memcmp(page, zeros, sizeof zeros) != 0;
    raw(SYS_munmap, (long)place, kPart, 0, 0, 0, 0);
  }
  return found;
}

static void must_fail(const char* what, long result) {
  if (result < 0 && result > -4096) return;
  printf("%s: %ld\n", what, result);
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGSEGV, on_fault);
  signal(SIGBUS, on_fault);
  // `syscall; ret` and `mov $getpid, %eax; syscall; ret`.
  for (const uint8_t* at = (const uint8_t*)kRuntime; can_read((uint64_t)at + 8); ++at) {
    if (raw_call == 0 && memcmp(at, "\x0f\x05\xc3", 3) == 0) raw_call = (uint64_t)at;
    if (memcmp(at, "\xb8\x27\0\0\0\x0f\x05\xc3", 8) == 0) notify = (uint64_t)at;
    if (notify != 0 && raw_call == notify + 5) raw_call = 0;
  }
  if (raw_call == 0 || notify == 0) return puts("no instructions found"), 1;
  const long self = raw(SYS_getpid, 0, 0, 0, 0, 0, 0);
  if (self <= 0) return puts("the instruction does nothing"), 1;

  for (uint64_t at = kLibrary; at < kLibraryEnd;
       at += at < kLibrary + (1ULL << 30) ? 16ULL << 20 : 256ULL << 30)
    if (can_read(at + 0x100000)) printf("readable: %#lx\n", (unsigned long)at);

  // Nothing is there but files that somebody has mapped shared.
  if (pages_of_the_window() != 0) puts("the window holds something of the kernel's");
  const int fd = open("/tmp/shared", O_RDWR | O_CREAT, 0600);
  if (write(fd, "x", 1) != 1 || mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
    puts("no file is shared");
  if (pages_of_the_window() != 1) puts("the window holds more than the one page");
  close(fd);
  must_fail("pages of the program's own text", ask(kLibCalls + 7, (uint64_t)main & ~4095UL, 1));

  char secret[64] = "overwritten";
  const struct iovec ours = {secret, sizeof secret}, theirs = {(void*)(kLibrary + 0x100000), sizeof secret};
  for (long pid = 1; pid < self + 64; ++pid) {
    if (pid == self) continue;
    must_fail("process_vm_readv", raw(SYS_process_vm_readv, pid, (long)&ours, 1, (long)&theirs, 1, 0));
    must_fail("process_vm_writev", raw(SYS_process_vm_writev, pid, (long)&ours, 1, (long)&theirs, 1, 0));
    must_fail("ptrace", raw(SYS_ptrace, 16 /* ATTACH */, pid, 0, 0, 0, 0));
    must_fail("pidfd_open", raw(SYS_pidfd_open, pid, 0, 0, 0, 0, 0));
    must_fail("tgkill", raw(SYS_tgkill, pid, pid, 9, 0, 0, 0));
    must_fail("kill", raw(SYS_kill, pid, 9, 0, 0, 0, 0));
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/mem", pid);
    must_fail("open", raw(SYS_open, (long)path, 2, 0, 0, 0, 0));
    must_fail("openat", raw(SYS_openat, -100, (long)path, 2, 0, 0, 0));
  }
  // No descriptor of the host's: nothing to read, write, map, answer notifications by, or take over.
  for (long fd = 0; fd < 1024; ++fd) {
    must_fail("read", raw(SYS_read, fd, (long)secret, 1, 0, 0, 0));
    must_fail("write", raw(SYS_write, fd, (long)secret, 1, 0, 0, 0));
    must_fail("mmap", raw(SYS_mmap, 0, 4096, 1, 2, fd, 0));
    must_fail("ioctl", raw(SYS_ioctl, fd, (long)0xc0502100, (long)secret, 0, 0, 0));
  }
  must_fail("seccomp", raw(SYS_seccomp, 1, 8, (long)secret, 0, 0, 0));
  must_fail("execve", raw(SYS_execve, (long)"/bin/true", 0, 0, 0, 0, 0));
  must_fail("socket", raw(SYS_socket, 1, 1, 0, 0, 0, 0));
  must_fail("unshare", raw(SYS_unshare, 0x10000000, 0, 0, 0, 0, 0));
  must_fail("clone", raw(SYS_clone, 0x10000000 | SIGCHLD, 0, 0, 0, 0, 0));
  // What belongs to the embedder alone, or to nobody: the kernel's process must refuse it. CLONE, EXEC, FAULT and AREA are a guest's.
  for (uint64_t call = 1; call < 16; ++call)
    if (call != 5 && call != 6 && call != 8)
      must_fail("embedder's call", ask(kLibCalls + call, 0, (uint64_t)secret));
  must_fail("begin", ask(kLibCalls + 0x101, 1, (uint64_t)self));
  must_fail("begin as another process", ask(kLibCalls + 0x101, 2, 1));
  must_fail("forget", ask(kLibCalls + 0x103, 1, 0));
  must_fail("fork behind the run-time's back", ask(SYS_fork, 0, 0));
  must_fail("clone3", ask(SYS_clone3, 0, 0));
  // The kernel's process reads by its own pointers nothing of its own memory.
  must_fail("its image", ask(SYS_open, kLibrary + 0x100000, 0));
  puts("done");
  return 0;
}
