// What suites of others have found (docs/fidelity.md): small things that a program can tell a kernel by.
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static int status_of(pid_t child) {
  int status;
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void exit_seven(int number) {
  (void)number;
  _exit(7);
}

// Before its first instruction.
static void signal_at_birth(void) {
  signal(SIGUSR1, exit_seven);
  for (int round = 0; round < 1000; ++round) {
    const pid_t child = round % 2 ? fork() : (pid_t)syscall(SYS_fork);
    if (child == 0)
      for (;;) pause();
    CHECK(kill(child, SIGUSR1) == 0);
    CHECK(status_of(child) == 7);
  }
}

static void robust_list_is_told(void) {
  void *own, *by_tid;
  size_t size;
  CHECK(syscall(SYS_get_robust_list, 0, &own, &size) == 0 && own != NULL && size == 24);
  CHECK(syscall(SYS_get_robust_list, gettid(), &by_tid, &size) == 0 && by_tid == own);
  CHECK(syscall(SYS_get_robust_list, 99999, &by_tid, &size) == -1 && errno == ESRCH);
  CHECK(syscall(SYS_get_robust_list, 0, NULL, &size) == -1 && errno == EFAULT);
}

static long raw(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

// A program that has its own accesses checked (EFLAGS.AC) has not those of whoever serves its calls checked;
// and it keeps its direction flag.
static void alignment_check(void) {
  static const char path[] = "x/proc/self/status";
  char text[65];
  unsigned long flags;
  __asm__ volatile("pushfq; orq $0x40000, (%%rsp); popfq" ::: "memory", "cc");
  const long fd = raw(SYS_open, (long)(path + 1), O_RDONLY, 0);
  const long got = raw(SYS_read, fd, (long)(text + 1), 64);
  const long pid = raw(SYS_getpid, 0, 0, 0);
  raw(SYS_kill, pid, SIGURG, 0);
  __asm__ volatile("pushfq; popq %0; pushfq; andq $~0x40000, (%%rsp); popfq"
                   : "=r"(flags)
                   :
                   : "memory", "cc");
  CHECK(fd >= 0 && got == 64 && memcmp(text + 1, "Name:", 5) == 0 && pid == getpid());
  CHECK((flags & 0x40000) != 0);
  long parent = SYS_getppid;
  __asm__ volatile("std; syscall; pushfq; popq %1; cld"
                   : "+a"(parent), "=&r"(flags)
                   :
                   : "rcx", "r11", "memory", "cc");
  CHECK(parent == getppid() && (flags & 0x400) != 0);
}

static pid_t clone_of(struct clone_args args, size_t size) {
  const struct {
    struct clone_args known;
    long later;
  } wanted = {args, size > sizeof wanted};  // with something that is not known in front
  return (pid_t)syscall(SYS_clone3, &wanted, size);
}

static void clone3_wants(void) {
  struct sigaction action;
  const size_t size = sizeof(struct clone_args);
  signal(SIGUSR1, exit_seven);
  pid_t child = clone_of((struct clone_args){.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD}, size);
  if (child == 0) _exit(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL ? 7 : 1);
  CHECK(status_of(child) == 7);
  child = clone_of((struct clone_args){.exit_signal = SIGCHLD}, size + sizeof(long));
  if (child == 0) _exit(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == exit_seven ? 7 : 1);
  CHECK(status_of(child) == 7);

  pid_t tid = 4711;
  child = clone_of((struct clone_args){.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&tid, .set_tid_size = 1},
                   size);
  if (child == 0) _exit(getpid() == 4711 && gettid() == 4711 ? 7 : 1);
  CHECK(child == 4711 && status_of(child) == 7);
  tid = getpid();
  CHECK(clone_of((struct clone_args){.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&tid, .set_tid_size = 1},
                 size) == -1 &&
        errno == EEXIST);

  CHECK(clone_of((struct clone_args){.exit_signal = SIGCHLD}, size + 2 * sizeof(long)) == -1 &&
        errno == E2BIG);
  CHECK(clone_of((struct clone_args){.exit_signal = SIGCHLD}, 63) == -1 && errno == EINVAL);
  CHECK(clone_of((struct clone_args){.exit_signal = 0x100}, size) == -1 && errno == EINVAL);
  CHECK(clone_of((struct clone_args){.exit_signal = 65}, size) == -1 && errno == EINVAL);
  CHECK(clone_of((struct clone_args){.set_tid_size = 1, .exit_signal = SIGCHLD}, size) == -1 &&
        errno == EINVAL);
}

static volatile int steps;
static void count_step(int number) {
  (void)number;
  ++steps;
}

// A program that steps through itself (EFLAGS.TF), over calls too.
static void single_steps(void) {
  signal(SIGTRAP, count_step);
  long pid = 0, parent = 0;
  __asm__ volatile(
      "pushfq; orq $0x100, (%%rsp); popfq\n\t"
      "movl %[getpid], %%eax; syscall; movq %%rax, %[pid]\n\t"
      "movl %[getppid], %%eax; syscall; movq %%rax, %[parent]\n\t"
      "pushfq; andq $~0x100, (%%rsp); popfq"
      : [pid] "+r"(pid), [parent] "+r"(parent)
      : [getpid] "i"(SYS_getpid), [getppid] "i"(SYS_getppid)
      : "rax", "rcx", "r11", "memory", "cc");
  CHECK(pid == getpid() && parent == getppid());
  CHECK(steps >= 4);
}

// What a program puts there is lost at its next call, and does no harm.
static void gs_is_not_the_programs(void) {
  if ((getauxval(AT_HWCAP2) & 2) == 0) return;
  signal(SIGUSR1, exit_seven);
  const pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < 100; ++i) {
      __asm__ volatile("wrgsbase %0" : : "r"(0L));
      raw(SYS_getpid, 0, 0, 0);
      __asm__ volatile("wrgsbase %0" : : "r"(1L << 46));
      if (syscall(SYS_getppid) < 0) _exit(1);
    }
    __asm__ volatile("wrgsbase %0" : : "r"(8L));
    raw(SYS_kill, raw(SYS_getpid, 0, 0, 0), SIGUSR1, 0);
  }
  CHECK(status_of(child) == 7);
  const pid_t faulty = fork();
  if (faulty == 0) {
    __asm__ volatile("wrgsbase %0" : : "r"(0L));
    *(volatile int*)8 = 1;
  }
  CHECK(status_of(faulty) == 128 + SIGSEGV);
}

static void* tid_of_thread(void* to) {
  *(pid_t*)to = gettid();
  pause();
  return NULL;
}

// A thread's own CPUs are the host's; a child has its parent's.
static void affinity(void) {
  cpu_set_t all, one, seen;
  CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
  int last = CPU_SETSIZE - 1;
  while (!CPU_ISSET(last, &all)) --last;
  CPU_ZERO(&one);
  CHECK(sched_setaffinity(0, sizeof one, &one) == -1 && errno == EINVAL);
  CPU_SET(last, &one);
  CHECK(sched_setaffinity(gettid(), sizeof one, &one) == 0);
  CHECK(sched_getaffinity(0, sizeof seen, &seen) == 0 && CPU_EQUAL(&one, &seen) && sched_getcpu() == last);
  const pid_t child = fork();
  if (child == 0) _exit(sched_getaffinity(0, sizeof seen, &seen) == 0 && CPU_EQUAL(&one, &seen) ? 7 : 1);
  CHECK(status_of(child) == 7);
  CHECK(sched_setaffinity(0, sizeof all, &all) == 0);

  CHECK(sched_getaffinity(-1, sizeof seen, &seen) == -1 && errno == ESRCH);
  CHECK(sched_getaffinity(99999, sizeof seen, &seen) == -1 && errno == ESRCH);
  CHECK(sched_setaffinity(99999, sizeof all, &all) == -1 && errno == ESRCH);
  pthread_t thread;
  volatile pid_t tid = 0;
  CHECK(pthread_create(&thread, NULL, tid_of_thread, (void*)&tid) == 0);
  while (tid == 0) sched_yield();
  CHECK(sched_setaffinity(tid, sizeof one, &one) == 0);  // has no effect here
}

static char alternate[1 << 16] __attribute__((aligned(16)));
static stack_t seen_in_handler;
static volatile int on_alternate;

static void look_at_stack(int number) {
  char here;
  (void)number;
  on_alternate = &here > alternate && &here < alternate + sizeof alternate;
  sigaltstack(NULL, &seen_in_handler);
}

// SS_AUTODISARM: none while a handler runs on it, and the same again after.
static void stack_that_disarms(void) {
  const stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate, .ss_flags = (int)SS_AUTODISARM};
  const struct sigaction action = {.sa_handler = look_at_stack, .sa_flags = SA_ONSTACK};
  stack_t after;
  CHECK(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
  for (int i = 0; i < 3; ++i) {
    on_alternate = 0;
    CHECK(raise(SIGUSR1) == 0 && on_alternate && seen_in_handler.ss_flags == SS_DISABLE);
    CHECK(sigaltstack(NULL, &after) == 0 && after.ss_flags == (int)SS_AUTODISARM && after.ss_sp == alternate);
  }
}

// MINSIGSTKSZ may be too little for what the processor saves: it can be set all the same, and a handler's
// frame that does not fit is SIGSEGV, whose handler may have the other stack.
static void stack_that_is_too_small(void) {
  const stack_t stack = {.ss_sp = alternate, .ss_size = 2048};
  const struct sigaction there = {.sa_handler = look_at_stack, .sa_flags = SA_ONSTACK},
                         here = {.sa_handler = exit_seven};
  CHECK(sigaltstack(&stack, NULL) == 0);
  if (getauxval(AT_MINSIGSTKSZ) <= 2048) return;
  const pid_t child = fork();
  if (child == 0) {
    sigaction(SIGUSR1, &there, NULL);
    sigaction(SIGSEGV, &here, NULL);
    raise(SIGUSR1);
    _exit(1);
  }
  CHECK(status_of(child) == 7);
}

static const struct test_case cases[] = {
    {"affinity", affinity},
    {"alignment_check", alignment_check},
    {"clone3_wants", clone3_wants},
    {"gs_is_not_the_programs", gs_is_not_the_programs},
    {"robust_list_is_told", robust_list_is_told},
    {"signal_at_birth", signal_at_birth},
    {"single_steps", single_steps},
    {"stack_that_disarms", stack_that_disarms},
    {"stack_that_is_too_small", stack_that_is_too_small},
};

MAIN(cases)
