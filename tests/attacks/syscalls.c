// Attacks by ways into the kernel that a filter may have forgotten: other architectures, rings, tracers.
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#include "attack.h"

// The i386 entry: mkdir is 39 there, and a filter that looks at numbers alone sees x86-64's getpid.
static void int80(int argc, char** argv) {
  if (argc < 1) broken("usage: int80 NEW_FOLDER");
  char* low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  if (low == MAP_FAILED) broken("mmap below 4 GiB");
  snprintf(low, 4096, "%s", argv[0]);
  long result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "a"(39L), "b"(low), "c"(0755L)
                   : "memory", "r8", "r9", "r10", "r11");
  if (result == 0) won("int 0x80 made %s", argv[0]);
  errno = (int)-result;
  refused("int 0x80");
}

// x32: bit 30 of the number. A kernel built without it answers ENOSYS, which no filter of numbers can have
// seen coming: exit 43 says that the call reached the kernel's table.
static void x32(int argc, char** argv) {
  if (argc < 1) broken("usage: x32 NEW_FOLDER");
  long result = syscall(0x40000000 | SYS_mkdir, argv[0], 0755);
  if (result == 0) won("x32 made %s", argv[0]);
  if (errno == ENOSYS) {
    fprintf(stderr, "passed: x32 is known to no table (ENOSYS)\n");
    exit(43);
  }
  refused("x32");
}

// One operation through a ring: the kernel carries it out in our name, and no filter sees it.
static int ring_operation(struct io_uring_sqe* operation, int* result) {
  struct io_uring_params parameters = {0};
  int ring = (int)syscall(SYS_io_uring_setup, 4, &parameters);
  if (ring < 0) return -1;
  size_t sq_size = parameters.sq_off.array + parameters.sq_entries * sizeof(uint32_t);
  size_t cq_size = parameters.cq_off.cqes + parameters.cq_entries * sizeof(struct io_uring_cqe);
  char* sq = mmap(NULL, sq_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
  char* cq = mmap(NULL, cq_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_CQ_RING);
  struct io_uring_sqe* entries = mmap(NULL, parameters.sq_entries * sizeof *entries, PROT_READ | PROT_WRITE,
                                      MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
  if (sq == MAP_FAILED || cq == MAP_FAILED || entries == MAP_FAILED) return -1;
  entries[0] = *operation;
  ((uint32_t*)(sq + parameters.sq_off.array))[0] = 0;
  __atomic_store_n((uint32_t*)(sq + parameters.sq_off.tail), 1, __ATOMIC_RELEASE);
  if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) return -1;
  *result = ((struct io_uring_cqe*)(cq + parameters.cq_off.cqes))[0].res;
  return 0;
}

static void ring(int argc, char** argv) {
  if (argc < 1) broken("usage: io-uring NEW_FOLDER");
  struct io_uring_sqe make = {
      .opcode = IORING_OP_MKDIRAT, .fd = AT_FDCWD, .addr = (uintptr_t)argv[0], .len = 0755};
  int result = 0;
  if (ring_operation(&make, &result) != 0) refused("io_uring_setup");
  if (result == 0) won("a ring made %s", argv[0]);
  errno = -result;
  refused("the ring's mkdir");
}

// A tracer rewrites the number of a harmless call at its entry. Kernels before 4.8 ran the filter first.
static void swap_syscall(int argc, char** argv) {
  (void)argc, (void)argv;
  pid_t pid = fork();
  if (pid == 0) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(1);
    raise(SIGSTOP);
    // Becomes unshare(CLONE_NEWUSER); as itself it ignores its argument and answers a pid.
    _exit(syscall(SYS_getppid, 0x10000000) == 0 ? kWon : 2);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (!WIFSTOPPED(status)) refused("PTRACE_TRACEME");
  ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  bool swapped = false;
  while (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0 && waitpid(pid, &status, 0) == pid &&
         WIFSTOPPED(status)) {
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, pid, NULL, &registers) != 0 || registers.orig_rax != SYS_getppid || swapped)
      continue;
    registers.orig_rax = SYS_unshare;
    swapped = ptrace(PTRACE_SETREGS, pid, NULL, &registers) == 0;
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == kWon) won("a tracer turned getppid into unshare");
  errno = 0;
  refused("the swapped call was filtered too (status 0x%x)", status);
}

// The machine's clock. A step of zero changes nothing and needs the same privilege as any other.
static void set_clock(int argc, char** argv) {
  (void)argc, (void)argv;
  struct timex step = {.modes = ADJ_SETOFFSET};
  if (syscall(SYS_clock_adjtime, CLOCK_REALTIME, &step) >= 0) won("the machine's clock can be set");
  if (syscall(SYS_adjtimex, &step) >= 0) won("the machine's clock can be set (adjtimex)");
  refused("clock_adjtime");
}

// How long the machine has been up is a fingerprint, and CLOCK_BOOTTIME tells it to anyone in the same
// namespace.
static void boot_time(int argc, char** argv) {
  if (argc < 1) broken("usage: boot-time SECONDS");
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  double host = atof(argv[0]);
  double difference = (double)now.tv_sec - host;
  if (difference > -60 && difference < 60) won("the host has been up for %ld seconds", (long)now.tv_sec);
  errno = 0;
  refused("CLOCK_BOOTTIME is %ld, the host's is near %.0f", (long)now.tv_sec, host);
}

const Attack kSyscallAttacks[] = {
    {"int80", int80},
    {"x32", x32},
    {"io-uring", ring},
    {"swap-syscall", swap_syscall},
    {"set-clock", set_clock},
    {"boot-time", boot_time},
    {NULL, NULL},
};
