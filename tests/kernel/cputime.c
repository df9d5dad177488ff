// CPU time: what a program uses on the host's CPUs counts in its times, its children's, its timers and its
// limits. A process's own clock is answered by the host itself, so the rest is compared with it.
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

extern char** environ;

static double now(clockid_t clock) {
  struct timespec time;
  CHECK(clock_gettime(clock, &time) == 0);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double own(void) {
  return now(CLOCK_PROCESS_CPUTIME_ID);
}

static double seconds(struct timeval time) {
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double used(const struct rusage* usage) {
  return seconds(usage->ru_utime) + seconds(usage->ru_stime);
}

static volatile sig_atomic_t told;

static void on_signal(int number) {
  (void)number;
  ++told;
}

static void handle(int number) {
  struct sigaction action = {.sa_handler = on_signal};
  told = 0;
  CHECK(sigaction(number, &action, NULL) == 0);
}

// No calls, so that nothing but the clock can tell.
static void spin(void) {
  for (volatile int i = 0; i < 20000; ++i) {
  }
}

static void burn(double how_long) {
  const double end = own() + how_long;
  while (own() < end) spin();
}

// What a child says that it has used.
static volatile double* share(void) {
  volatile double* shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  return shared;
}

#define SLACK 0.3  // the child's end is the child's time too

static void children(void) {
  volatile double* said = share();
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    burn(0.15);
    *said = own();
    _exit(0);
  }
  struct rusage usage, sum;
  struct tms ticks;
  CHECK(wait4(child, NULL, 0, &usage) == child);
  CHECK(used(&usage) >= *said - 0.001 && used(&usage) < *said + SLACK);
  CHECK(seconds(usage.ru_utime) > 0);
  CHECK(getrusage(RUSAGE_CHILDREN, &sum) == 0 && used(&sum) >= used(&usage) - 0.001);
  CHECK(times(&ticks) != (clock_t)-1);
  CHECK((double)(ticks.tms_cutime + ticks.tms_cstime) / 100 >= used(&usage) - 0.03);
  burn(0.05);
  CHECK(times(&ticks) != (clock_t)-1);
  CHECK((double)(ticks.tms_utime + ticks.tms_stime) / 100 >= own() - 0.03);
}

static void* compute(void* how_long) {
  burn(*(double*)how_long);
  return NULL;
}

static void threads_of_children(void) {
  volatile double* said = share();
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    pthread_t threads[3];
    double how_long = 0.05;
    for (int i = 0; i < 3; ++i) CHECK(pthread_create(&threads[i], NULL, compute, &how_long) == 0);
    for (int i = 0; i < 3; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
    *said = own();
    _exit(0);
  }
  struct rusage usage;
  CHECK(wait4(child, NULL, 0, &usage) == child);
  CHECK(used(&usage) >= *said - 0.001 && used(&usage) < *said + SLACK);
}

static void sleep_costs_nothing(void) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    struct timespec until;
    for (int i = 0; i < 4; ++i) {
      clock_gettime(CLOCK_REALTIME, &until);
      until.tv_nsec += 100 * 1000 * 1000;
      until.tv_sec += until.tv_nsec / 1000000000;
      until.tv_nsec %= 1000000000;
      pthread_mutex_lock(&mutex);
      pthread_cond_timedwait(&never, &mutex, &until);
      pthread_mutex_unlock(&mutex);
      usleep(100000);
    }
    _exit(0);
  }
  struct rusage usage;
  CHECK(wait4(child, NULL, 0, &usage) == child);
  CHECK(used(&usage) < 0.2);
}

// A program that exec has started: burn() by its argument's name.
static void burned_by_exec(void) {
  burn(0.1);
}

static void exec_counts_on(void) {
  char* const arguments[] = {(char*)"cputime", (char*)"burned_by_exec", NULL};
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    burn(0.1);
    execv("/proc/self/exe", arguments);
    _exit(1);
  }
  struct rusage usage;
  int status;
  CHECK(wait4(child, &status, 0, &usage) == child && status == 0);
  CHECK(used(&usage) >= 0.2 - 0.002);
  pid_t spawned;
  CHECK(posix_spawn(&spawned, "/proc/self/exe", NULL, NULL, arguments, environ) == 0);  // by vfork
  CHECK(wait4(spawned, &status, 0, &usage) == spawned && status == 0);
  CHECK(used(&usage) >= 0.1 - 0.001 && used(&usage) < 0.1 + SLACK);
}

static double in_proc(pid_t child) {
  char path[64];
  unsigned long user, system;
  snprintf(path, sizeof path, "/proc/%d/stat", child);
  FILE* file = fopen(path, "r");
  CHECK(file != NULL);
  CHECK(fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) ==
        2);
  fclose(file);
  return (double)(user + system) / 100;
}

static void others_see_it(void) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0)
    for (;;) spin();
  while (in_proc(child) < 0.1) usleep(10000);
  clockid_t clock;
  CHECK(clock_getcpuclockid(child, &clock) == 0 && now(clock) >= 0.1);
  CHECK(kill(child, SIGKILL) == 0);
  struct rusage usage;
  CHECK(wait4(child, NULL, 0, &usage) == child);
  CHECK(used(&usage) >= 0.1);
}

static void itimer(int which, int number) {
  const struct itimerval time = {{0, 30000}, {0, 60000}};
  handle(number);
  const double start = own();
  CHECK(setitimer(which, &time, NULL) == 0);
  while (told == 0) spin();
  CHECK(own() - start >= 0.06 / 2);  // a host's is sampled by ticks
  while (told < 3) spin();
  CHECK(own() - start >= 0.12 / 2);
  struct itimerval left;
  CHECK(getitimer(which, &left) == 0 && left.it_value.tv_sec == 0 && left.it_value.tv_usec <= 35000);
}

static void itimer_prof(void) {
  itimer(ITIMER_PROF, SIGPROF);
}

static void itimer_virtual(void) {
  itimer(ITIMER_VIRTUAL, SIGVTALRM);
}

static void cpu_timer(clockid_t clock) {
  struct sigevent how = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  const struct itimerspec time = {{0, 0}, {0, 60000000}};
  timer_t timer;
  handle(SIGUSR1);
  CHECK(timer_create(clock, &how, &timer) == 0);
  const double start = own();
  CHECK(timer_settime(timer, 0, &time, NULL) == 0);
  while (told == 0) spin();
  CHECK(own() - start >= 0.06 - 0.005);
}

static void process_timer(void) {
  cpu_timer(CLOCK_PROCESS_CPUTIME_ID);
}

static void thread_timer(void) {
  cpu_timer(CLOCK_THREAD_CPUTIME_ID);
}

// The thread that armed it sleeps at the host meanwhile.
static void* until_told(void* nothing) {
  while (told == 0) spin();
  return nothing;
}

static void another_thread_computes(void) {
  const struct itimerval time = {{0, 0}, {0, 60000}};
  pthread_t thread;
  handle(SIGPROF);
  CHECK(pthread_create(&thread, NULL, until_told, NULL) == 0);
  CHECK(setitimer(ITIMER_PROF, &time, NULL) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
}

// Inherited: whoever set it only waits.
static void limit(void) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    const struct rlimit second = {1, 2};
    CHECK(setrlimit(RLIMIT_CPU, &second) == 0);
    const pid_t inner = fork();
    CHECK(inner >= 0);
    if (inner == 0)
      for (;;) spin();
    int status;
    struct rusage usage;
    CHECK(wait4(inner, &status, 0, &usage) == inner && WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGXCPU && used(&usage) >= 0.9);
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void hard_limit(void) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    const struct rlimit second = {1, 1};
    CHECK(signal(SIGXCPU, SIG_IGN) != SIG_ERR && setrlimit(RLIMIT_CPU, &second) == 0);
    for (;;) spin();
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static const struct test_case cases[] = {
    {"children", children},
    {"threads_of_children", threads_of_children},
    {"sleep_costs_nothing", sleep_costs_nothing},
    {"burned_by_exec", burned_by_exec},
    {"exec_counts_on", exec_counts_on},
    {"others_see_it", others_see_it},
    {"itimer_prof", itimer_prof},
    {"itimer_virtual", itimer_virtual},
    {"process_timer", process_timer},
    {"thread_timer", thread_timer},
    {"another_thread_computes", another_thread_computes},
    {"limit", limit},
    {"hard_limit", hard_limit},
};

MAIN(cases)
