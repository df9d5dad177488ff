// Processes and threads: what fork, exec, vfork, clone, wait and exit promise.
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

extern char** environ;

static int status_of(pid_t child) {
  int status;
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void fork_storm(void) {
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 100; ++i) {
      pid_t child = fork();
      CHECK(child >= 0);
      if (child == 0) _exit(i);
    }
    int sum = 0, status;
    for (int i = 0; i < 100; ++i) {
      CHECK(wait(&status) > 0 && WIFEXITED(status));
      sum += WEXITSTATUS(status);
    }
    CHECK(sum == 4950);
  }
}

static void many_at_once(void) {
  int fd[2];
  pid_t children[1000];
  CHECK(pipe(fd) == 0);
  for (int i = 0; i < 1000; ++i) {
    children[i] = fork();
    CHECK(children[i] >= 0);
    if (children[i] == 0) {
      char byte;
      close(fd[1]);
      _exit(read(fd[0], &byte, 1) == 0 ? 7 : 1);
    }
  }
  close(fd[1]);
  for (int i = 0; i < 1000; ++i) CHECK(status_of(children[i]) == 7);
}

static void spawn_tells_errors(void) {
  pid_t child = -5;
  char* const words[] = {"x", NULL};
  CHECK(posix_spawn(&child, "/nope", NULL, NULL, words, environ) == ENOENT);
  CHECK(posix_spawn(&child, "/etc", NULL, NULL, words, environ) == EACCES);
  CHECK(posix_spawnp(&child, "no-such-program", NULL, NULL, words, environ) == ENOENT);
  char* const exits[] = {"sh", "-c", "exit 6", NULL};
  for (int i = 0; i < 50; ++i)
    CHECK(posix_spawnp(&child, "sh", NULL, NULL, exits, environ) == 0 && status_of(child) == 6);
  CHECK(wait(NULL) == -1 && errno == ECHILD);
}

// A program whose interpreter is not there, or is none, is refused while there is a way back.
static void interpreter_is_missing(void) {
  static char text[4 << 20];
  const int self = open("/proc/self/exe", O_RDONLY);
  const ssize_t size = read(self, text, sizeof text);
  CHECK(size > 0 && (size_t)size < sizeof text);
  char* name = memmem(text, (size_t)size, "/lib64/ld-linux", 15);
  CHECK(name != NULL);
  char* const words[] = {"x", NULL};
  const struct {
    const char* name;
    int error;
  } wrong[] = {{"/none/ld", ENOENT}, {"/etc", EACCES}, {"/etc/passwd", EACCES}, {"", EACCES}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
    memset(name, 0, strlen("/lib64/ld-linux-x86-64.so.2"));
    strcpy(name, wrong[i].name);
    const int fd = open("/tmp/program", O_WRONLY | O_CREAT | O_TRUNC, 0755);
    CHECK(write(fd, text, (size_t)size) == size && close(fd) == 0);
    CHECK(execve("/tmp/program", words, environ) == -1 && errno == wrong[i].error);
  }
}

static void vfork_shares_memory(void) {
  volatile int seen = 0;
  pid_t child = vfork();
  if (child == 0) {
    seen = 42;
    _exit(3);
  }
  CHECK(seen == 42 && status_of(child) == 3);
  child = vfork();
  if (child == 0) {
    execl("/nope", "nope", NULL);
    seen = errno;
    execl("/bin/sh", "sh", "-c", "sleep 0.1; exit 4", NULL);
    _exit(1);
  }
  CHECK(seen == ENOENT && status_of(child) == 4);
}

static void killed_in_vfork(void) {
  volatile pid_t* inner = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t child = fork();
  if (child == 0) {
    if (vfork() == 0) {
      *inner = getpid();
      for (;;) usleep(1000);
    }
    _exit(1);
  }
  while (*inner == 0) usleep(1000);
  CHECK(kill(child, SIGKILL) == 0 && status_of(child) == 137);
  usleep(50000);
  CHECK(kill(*inner, 0) == 0 && kill(*inner, SIGKILL) == 0);
}

static int writes_there(void* there) {
  *(volatile int*)there = 9;
  execl("/bin/true", "true", NULL);
  return 1;
}

static void clone_shares_memory(void) {
  static char stack[65536];
  volatile int there = 0;
  pid_t child = clone(writes_there, stack + sizeof stack, CLONE_VM | SIGCHLD, (void*)&there);
  CHECK(child > 0 && status_of(child) == 0 && there == 9);
  child = clone(writes_there, stack + sizeof stack, SIGCHLD, (void*)&there);
  there = 0;
  CHECK(child > 0 && status_of(child) == 0 && there == 0);
}

static atomic_int ran;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int turn, plain;

static void* takes_turns(void* number) {
  const int mine = (int)(long)number;
  for (int round = 0; round < 20; ++round) {
    pthread_mutex_lock(&mutex);
    while (turn != mine) pthread_cond_wait(&condition, &mutex);
    turn = (turn + 1) % 64;
    ++plain;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
  }
  ++ran;
  return NULL;
}

static void threads_take_turns(void) {
  pthread_t threads[64];
  for (long i = 0; i < 64; ++i) CHECK(pthread_create(&threads[i], NULL, takes_turns, (void*)i) == 0);
  for (int i = 0; i < 64; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(ran == 64 && plain == 64 * 20);
}

static __thread int own = 5;
static void* has_own(void* nothing) {
  (void)nothing;
  own += 1;
  return (void*)(long)own;
}

static void threads_come_and_go(void) {
  for (int i = 0; i < 2000; ++i) {
    pthread_t thread;
    void* result;
    CHECK(pthread_create(&thread, NULL, has_own, NULL) == 0 && pthread_join(thread, &result) == 0 &&
          result == (void*)6);
  }
  CHECK(own == 5);
}

static void* executes(void* nothing) {
  execl("/bin/sh", "sh", "-c", "test $$ = $PPID_WAS && exit 8", NULL);
  return nothing;
}

static void* sleeps(void* nothing) {
  for (;;) pause();
  return nothing;
}

static void* computes(void* nothing) {
  for (volatile unsigned long i = 0;; ++i) {
  }
  return nothing;
}

static void exec_from_a_thread(void) {
  pid_t child = fork();
  if (child == 0) {
    char pid[16];
    pthread_t thread;
    snprintf(pid, sizeof pid, "%d", getpid());
    setenv("PPID_WAS", pid, 1);
    for (int i = 0; i < 4; ++i) pthread_create(&thread, NULL, i % 2 ? sleeps : computes, NULL);
    pthread_create(&thread, NULL, executes, NULL);
    pause();
  }
  CHECK(status_of(child) == 8);
}

static void* leaves_late(void* nothing) {
  usleep(50000);
  exit(5);
  return nothing;
}

static void leader_leaves_first(void) {
  pid_t child = fork();
  if (child == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, leaves_late, NULL);
    pthread_exit(NULL);
  }
  CHECK(status_of(child) == 5);
}

static void* forks(void* nothing) {
  pid_t child = fork();
  if (child == 0) _exit(11);
  CHECK(status_of(child) == 11);
  return nothing;
}

static void threads_fork(void) {
  pthread_t threads[8];
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 8; ++i) CHECK(pthread_create(&threads[i], NULL, forks, NULL) == 0);
    for (int i = 0; i < 8; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
  }
}

static void* dies_with(void* held) {
  pthread_mutex_lock(held);
  return NULL;
}

static void robust_mutex(void) {
  pthread_mutexattr_t how;
  pthread_mutex_t* shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_init(&how);
  pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
  CHECK(pthread_mutex_init(shared, &how) == 0);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, dies_with, shared) == 0 && pthread_join(thread, NULL) == 0);
  CHECK(pthread_mutex_lock(shared) == EOWNERDEAD && pthread_mutex_consistent(shared) == 0 &&
        pthread_mutex_unlock(shared) == 0);
  pid_t child = fork();
  if (child == 0) {
    pthread_mutex_lock(shared);
    kill(getpid(), SIGKILL);
  }
  CHECK(status_of(child) == 137 && pthread_mutex_lock(shared) == EOWNERDEAD);
}

static void descriptors_by_thousands(void) {
  const struct rlimit most = {4200, 4200};
  CHECK(setrlimit(RLIMIT_NOFILE, &most) == 0);
  int fd = 0;
  for (int i = 0; i < 4096; ++i) CHECK((fd = open("/dev/null", O_RDONLY)) >= 0);
  CHECK(fd >= 4096 && dup(fd) == fd + 1);
  const struct rlimit few = {20, 20};
  CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0 && open("/dev/null", O_RDONLY) == -1 && errno == EMFILE);
}

static void orphans_go_to_init(void) {
  int fd[2];
  CHECK(pipe(fd) == 0);
  pid_t child = fork();
  if (child == 0) {
    if (fork() == 0) {
      usleep(50000);
      const int parent = getppid();
      CHECK(write(fd[1], &parent, sizeof parent) == sizeof parent);
      _exit(0);
    }
    _exit(0);
  }
  int parent = 0;
  CHECK(status_of(child) == 0 && read(fd[0], &parent, sizeof parent) == sizeof parent && parent == 1);
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  child = fork();
  if (child == 0) {
    if (fork() == 0) _exit(12);
    _exit(0);
  }
  int status;
  CHECK(status_of(child) == 0 && wait(&status) > 0 && WEXITSTATUS(status) == 12);
}

static void pidfd_waits(void) {
  pid_t child = fork();
  if (child == 0) _exit(33);
  const int fd = (int)syscall(SYS_pidfd_open, child, 0);
  siginfo_t info;
  CHECK(fd >= 0 && waitid(P_PIDFD, (id_t)fd, &info, WEXITED) == 0 && info.si_status == 33);
}

static void dies_with_its_parent(void) {
  int fd[2];
  char byte;
  CHECK(pipe(fd) == 0);
  pid_t child = fork();
  if (child == 0) {
    if (fork() == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      CHECK(write(fd[1], "x", 1) == 1);
      for (;;) {
      }
    }
    pause();
  }
  close(fd[1]);
  CHECK(read(fd[0], &byte, 1) == 1 && kill(child, SIGKILL) == 0 && status_of(child) == 137);
  CHECK(read(fd[0], &byte, 1) == 0);
}

static void exec_closes_and_resets(void) {
  const int kept = open("/dev/null", O_RDONLY), closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
  char script[200];
  signal(SIGUSR1, SIG_IGN);
  snprintf(script, sizeof script,
           "test -e /proc/self/fd/%d && test ! -e /proc/self/fd/%d && grep -q 'SigIgn:.*[2-9a-f]00$' "
           "/proc/self/status",
           kept, closed);
  pid_t child = fork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", script, NULL);
    _exit(1);
  }
  CHECK(status_of(child) == 0);
}

static void long_arguments(void) {
  char* big = malloc(100001);
  memset(big, 'x', 100000);
  big[100000] = '\0';
  pid_t child = fork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", "test ${#1} = 100000 -a ${#8} = 100000 && exit 3", "sh", big, big, big, big,
          big, big, big, big, NULL);
    _exit(1);
  }
  CHECK(status_of(child) == 3);
  char** words = calloc(200, sizeof *words);
  for (int i = 0; i < 199; ++i) words[i] = big;
  CHECK(execv("/bin/true", words) == -1 && errno == E2BIG);
}

static struct timespec later(clockid_t clock, long milliseconds) {
  struct timespec time;
  CHECK(clock_gettime(clock, &time) == 0);
  time.tv_nsec += milliseconds * 1000000;
  time.tv_sec += time.tv_nsec / 1000000000;
  time.tv_nsec %= 1000000000;
  return time;
}

static double seconds(clockid_t clock) {
  const struct timespec time = later(clock, 0);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// The clocks that are read without a call are those that calls wait by.
static void clocks_agree(void) {
  const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};
  for (int i = 0; i < 3; ++i) {
    const double before = seconds(clocks[i]);
    struct timespec time;
    CHECK(syscall(SYS_clock_gettime, clocks[i], &time) == 0);
    const double asked = (double)time.tv_sec + (double)time.tv_nsec / 1e9;
    CHECK(asked > before - 0.05 && asked < seconds(clocks[i]) + 0.05);

    time = later(clocks[i], 50);
    CHECK(clock_nanosleep(clocks[i], TIMER_ABSTIME, &time, NULL) == 0);
    CHECK(seconds(clocks[i]) - before > 0.04 && seconds(clocks[i]) - before < 5);

    const int fd = timerfd_create(clocks[i], 0);
    const struct itimerspec at = {{0, 0}, later(clocks[i], 50)};
    unsigned long expired;
    CHECK(fd >= 0 && timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL) == 0);
    CHECK(read(fd, &expired, sizeof expired) == sizeof expired && expired == 1);
    CHECK(seconds(clocks[i]) - before > 0.08 && seconds(clocks[i]) - before < 10);
  }
  pthread_mutex_lock(&mutex);
  const struct timespec until = later(CLOCK_REALTIME, 50);
  CHECK(pthread_cond_timedwait(&condition, &mutex, &until) == ETIMEDOUT);
}

static const struct test_case cases[] = {
    {"clocks_agree", clocks_agree},
    {"fork_storm", fork_storm},
    {"many_at_once", many_at_once},
    {"spawn_tells_errors", spawn_tells_errors},
    {"interpreter_is_missing", interpreter_is_missing},
    {"vfork_shares_memory", vfork_shares_memory},
    {"killed_in_vfork", killed_in_vfork},
    {"clone_shares_memory", clone_shares_memory},
    {"threads_take_turns", threads_take_turns},
    {"threads_come_and_go", threads_come_and_go},
    {"exec_from_a_thread", exec_from_a_thread},
    {"leader_leaves_first", leader_leaves_first},
    {"threads_fork", threads_fork},
    {"robust_mutex", robust_mutex},
    {"descriptors_by_thousands", descriptors_by_thousands},
    {"orphans_go_to_init", orphans_go_to_init},
    {"pidfd_waits", pidfd_waits},
    {"dies_with_its_parent", dies_with_its_parent},
    {"exec_closes_and_resets", exec_closes_and_resets},
    {"long_arguments", long_arguments},
};

MAIN(cases)
