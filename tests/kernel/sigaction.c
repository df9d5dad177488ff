// Signals as signal(7) and sigaction(2) have them.
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"

static volatile sig_atomic_t count, last, value, code;
static sigjmp_buf back;

static void counts(int number) {
  last = number;
  ++count;
}

static void tells(int number, siginfo_t* info, void* context) {
  (void)context;
  last = number;
  value = info->si_value.sival_int;
  code = info->si_code;
  ++count;
}

static void leaps(int number, siginfo_t* info, void* context) {
  (void)context;
  last = number;
  code = info->si_code;
  siglongjmp(back, 1);
}

static void on(int number, void (*handler)(int), int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  CHECK(sigaction(number, &action, NULL) == 0);
}

static void on_info(int number, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
  CHECK(sigaction(number, &action, NULL) == 0);
}

static void after(int milliseconds) {
  struct itimerval timer = {.it_value = {0, milliseconds * 1000}};
  CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static void handler_runs(void) {
  on(SIGUSR1, counts, 0);
  CHECK(kill(getpid(), SIGUSR1) == 0 && count == 1);
  CHECK(raise(SIGUSR1) == 0 && count == 2);
}

static void registers_survive(void) {
  on(SIGALRM, counts, 0);
  struct itimerval timer = {{0, 1000}, {0, 1000}};
  CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
  double sum = 0;
  unsigned long whole = 0;
  for (int round = 0; count < 200; ++round) {
    double part = 0;
    unsigned long hash = 5381;
    for (int i = 1; i < 20000; ++i) {
      part += 1.0 / i;
      hash = hash * 33 + (unsigned long)i;
    }
    CHECK(round == 0 || (part == sum && hash == whole));
    sum = part;
    whole = hash;
  }
}

static void masks_hold_back(void) {
  sigset_t set, old;
  on(SIGUSR1, counts, 0);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGUSR1);
  CHECK(count == 0);
  sigset_t pending;
  CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 1);
  CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
  CHECK(count == 1);
}

static void queue_keeps_order(void) {
  sigset_t set;
  on_info(SIGRTMIN + 1, tells, 0);
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + 1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  for (int i = 0; i < 10; ++i) CHECK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i}) == 0);
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  CHECK(count == 10 && code == SI_QUEUE);
}

static void interrupts_and_restarts(void) {
  int fd[2];
  char byte;
  CHECK(pipe(fd) == 0);
  on(SIGALRM, counts, 0);
  after(50);
  CHECK(read(fd[0], &byte, 1) == -1 && errno == EINTR && count == 1);
  on(SIGALRM, counts, SA_RESTART);
  pid_t child = fork();
  if (child == 0) {
    usleep(200000);
    _exit(write(fd[1], "x", 1) == 1 ? 0 : 1);
  }
  after(50);
  CHECK(read(fd[0], &byte, 1) == 1 && count == 2);
  CHECK(waitpid(child, NULL, 0) == child);
  after(50);
  struct timespec time = {0, 500000000}, left = {0, 0};
  CHECK(nanosleep(&time, &left) == -1 && errno == EINTR && left.tv_nsec > 100000000);
  after(50);
  CHECK(pause() == -1 && errno == EINTR);
}

static void suspends(void) {
  sigset_t set, none;
  on(SIGALRM, counts, 0);
  sigemptyset(&none);
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  sigprocmask(SIG_BLOCK, &set, NULL);
  after(30);
  CHECK(sigsuspend(&none) == -1 && errno == EINTR && count == 1);
  after(30);
  siginfo_t info;
  CHECK(sigwaitinfo(&set, &info) == SIGALRM && count == 1);
  int fd = signalfd(-1, &set, 0);
  struct signalfd_siginfo read_info;
  after(30);
  CHECK(fd >= 0 && read(fd, &read_info, sizeof read_info) == sizeof read_info && read_info.ssi_signo == SIGALRM);
}

static void alarm_while_computing(void) {
  on(SIGALRM, counts, 0);
  after(100);
  while (count == 0) {
  }
}

static void child_storm(void) {
  on(SIGCHLD, counts, SA_RESTART);
  for (int i = 0; i < 300; ++i) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(i & 127);
    if (i % 20 == 19)
      for (int k = 0; k < 20; ++k) CHECK(wait(NULL) > 0);
  }
  CHECK(wait(NULL) == -1 && errno == ECHILD && count > 0);
}

static void kills_who_computes(void) {
  pid_t child = fork();
  if (child == 0)
    for (;;) {
    }
  usleep(50000);
  CHECK(kill(child, SIGKILL) == 0);
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  CHECK(kill(child, 0) == -1 && errno == ESRCH);
}

static void stops_and_continues(void) {
  pid_t child = fork();
  if (child == 0)
    for (;;) {
    }
  usleep(20000);
  int status;
  CHECK(kill(child, SIGSTOP) == 0);
  CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
  CHECK(kill(child, SIGCONT) == 0);
  CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
  CHECK(kill(child, SIGTERM) == 0);
  CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGTERM);
}

static void faults_are_told(void) {
  on_info(SIGSEGV, leaps, SA_NODEFER);
  on_info(SIGBUS, leaps, SA_NODEFER);
  on_info(SIGFPE, leaps, SA_NODEFER);
  on_info(SIGILL, leaps, SA_NODEFER);
  on_info(SIGTRAP, leaps, SA_NODEFER);
  if (sigsetjmp(back, 1) == 0) *(volatile int*)8 = 1;
  CHECK(last == SIGSEGV && code == SEGV_MAPERR);
  char* page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (sigsetjmp(back, 1) == 0) *(volatile char*)page = 1;
  CHECK(last == SIGSEGV && code == SEGV_ACCERR);
  volatile int zero = 0;
  if (sigsetjmp(back, 1) == 0) __asm__ volatile("cltd; idivl %0" : : "m"(zero) : "eax", "edx");
  CHECK(last == SIGFPE && code == FPE_INTDIV);
  if (sigsetjmp(back, 1) == 0) __asm__ volatile("ud2");
  CHECK(last == SIGILL);
  if (sigsetjmp(back, 1) == 0) __asm__ volatile("int3");
  CHECK(last == SIGTRAP);
  int fd = open("/tmp/short", O_RDWR | O_CREAT | O_TRUNC, 0600);
  char* file = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
  CHECK(file != MAP_FAILED);
  last = 0;
  if (sigsetjmp(back, 1) == 0) (void)*(volatile char*)file;
  CHECK(last == SIGBUS);
}

static void fault_is_mended(int number, siginfo_t* info, void* context) {
  (void)number;
  (void)context;
  CHECK(mprotect((void*)((unsigned long)info->si_addr & ~4095UL), 4096, PROT_READ | PROT_WRITE) == 0);
  ++count;
}

static void faults_are_mended(void) {
  on_info(SIGSEGV, fault_is_mended, 0);
  char* pages = mmap(NULL, 64 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 64; ++i) pages[i * 4096] = (char)i;
  CHECK(count == 64 && pages[5 * 4096] == 5);
}

static int deeper(int depth) {
  volatile char waste[1000];
  waste[0] = (char)depth;
  return depth < 1 << 30 ? deeper(depth + 1) + waste[0] : 0;
}

static void overflow_on_alternate_stack(void) {
  static char stack[65536];
  const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  CHECK(sigaltstack(&alternate, NULL) == 0);
  on_info(SIGSEGV, leaps, SA_ONSTACK);
  for (int i = 0; i < 3; ++i) {
    last = 0;
    if (sigsetjmp(back, 1) == 0) deeper(0);
    CHECK(last == SIGSEGV);
  }
  stack_t now;
  CHECK(sigaltstack(NULL, &now) == 0 && now.ss_sp == stack && now.ss_flags == 0);
}

static void overflow_kills(void) {
  pid_t child = fork();
  if (child == 0) _exit(deeper(0));
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void changes_context(int number, siginfo_t* info, void* context) {
  (void)number;
  (void)info;
  ucontext_t* c = context;
  c->uc_mcontext.gregs[REG_RIP] += 2;  // over ud2
  c->uc_mcontext.gregs[REG_RAX] = 77;
}

static void context_can_be_changed(void) {
  on_info(SIGILL, changes_context, 0);
  long result = 0;
  __asm__ volatile("ud2" : "=a"(result) : "a"(1L));
  CHECK(result == 77);
}

static void handler_nests(int number) {
  ++count;
  if (number == SIGUSR1) {
    kill(getpid(), SIGUSR2);
    last = (int)count;
  }
}

static void handlers_nest(void) {
  on(SIGUSR1, handler_nests, 0);
  on(SIGUSR2, handler_nests, 0);
  kill(getpid(), SIGUSR1);
  CHECK(count == 2 && last == 2);
  on(SIGUSR1, counts, SA_RESETHAND);
  kill(getpid(), SIGUSR1);
  struct sigaction now;
  CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
}

static void* waits_for_signal(void* told) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  *(volatile int*)told = 1;
  while (count == 0) {
  }
  return NULL;
}

static void threads_have_their_own(void) {
  pthread_t thread;
  volatile int ready = 0;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  on(SIGUSR2, counts, 0);
  CHECK(pthread_create(&thread, NULL, waits_for_signal, (void*)&ready) == 0);
  while (ready == 0) {
  }
  CHECK(pthread_kill(thread, SIGUSR2) == 0);
  CHECK(pthread_join(thread, NULL) == 0 && count == 1);
}

static void* computes(void* nothing) {
  for (volatile unsigned long i = 0;; ++i) {
  }
  return nothing;
}

static void exit_with_busy_threads(void) {
  pid_t child = fork();
  if (child == 0) {
    pthread_t thread;
    for (int i = 0; i < 8; ++i) pthread_create(&thread, NULL, computes, NULL);
    usleep(20000);
    exit(9);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 9);
}

static void timers_tell(void) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value = {.sival_int = 5}};
  on_info(SIGRTMIN, tells, 0);
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  const struct itimerspec every = {{0, 5000000}, {0, 5000000}};
  CHECK(timer_settime(timer, 0, &every, NULL) == 0);
  while (count < 20) {
  }
  CHECK(value == 5 && code == SI_TIMER && timer_delete(timer) == 0);
}

static const struct test_case cases[] = {
    {"handler_runs", handler_runs},
    {"registers_survive", registers_survive},
    {"masks_hold_back", masks_hold_back},
    {"queue_keeps_order", queue_keeps_order},
    {"interrupts_and_restarts", interrupts_and_restarts},
    {"suspends", suspends},
    {"alarm_while_computing", alarm_while_computing},
    {"child_storm", child_storm},
    {"kills_who_computes", kills_who_computes},
    {"stops_and_continues", stops_and_continues},
    {"faults_are_told", faults_are_told},
    {"faults_are_mended", faults_are_mended},
    {"overflow_on_alternate_stack", overflow_on_alternate_stack},
    {"overflow_kills", overflow_kills},
    {"context_can_be_changed", context_can_be_changed},
    {"handlers_nest", handlers_nest},
    {"threads_have_their_own", threads_have_their_own},
    {"exit_with_busy_threads", exit_with_busy_threads},
    {"timers_tell", timers_tell},
};

MAIN(cases)
