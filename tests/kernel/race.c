// Signals that come at any moment, for some seconds: to threads that compute, that are inside of calls and that wait, from
// each other, from another process and from timers. No byte of what goes through the pipe may be lost or doubled, no call
// may end otherwise than it says, and no signal that was counted on may be missing at the end.
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static atomic_ulong handled[65];
static atomic_bool over;
static int fds[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long counted, added;

static void on_signal(int number, siginfo_t* info, void* context) {
  const int before = errno;
  volatile char room[4096];  // a frame of some size, on whatever stack it is
  memset((char*)room, number, sizeof room);
  CHECK(info->si_signo == number && context != NULL && room[4095] == number);
  atomic_fetch_add(&handled[number], 1);
  errno = before;
}

static void* writer(void* unused) {
  (void)unused;
  uint32_t next = 0;
  uint32_t block[300];
  while (!atomic_load(&over)) {
    for (int i = 0; i < 300; ++i) block[i] = next++;
    const char* at = (char*)block;
    for (size_t left = sizeof block; left > 0;) {
      const ssize_t put = write(fds[1], at, left);
      if (put < 0) CHECK(errno == EINTR);
      if (put > 0) at += put, left -= (size_t)put;
    }
  }
  close(fds[1]);
  return NULL;
}

static void* reader(void* unused) {
  (void)unused;
  uint32_t next = 0, word = 0;
  size_t have = 0;
  for (;;) {
    const ssize_t got = read(fds[0], (char*)&word + have, sizeof word - have);
    if (got < 0) CHECK(errno == EINTR);
    if (got == 0) break;
    if (got > 0) have += (size_t)got;
    if (have == sizeof word) {
      CHECK(word == next++);
      have = 0;
    }
  }
  CHECK(have == 0 && next > 0);
  return NULL;
}

static void* adder(void* unused) {
  (void)unused;
  unsigned long mine = 0;
  for (; !atomic_load(&over); ++mine) {
    pthread_mutex_lock(&lock);
    const unsigned long before = counted;
    if (mine % 1000 == 0) getppid();
    counted = before + 1;
    pthread_mutex_unlock(&lock);
  }
  pthread_mutex_lock(&lock);
  added += mine;
  pthread_mutex_unlock(&lock);
  return NULL;
}

static void* sleeper(void* unused) {
  (void)unused;
  while (!atomic_load(&over)) {
    struct timespec left = {0, 3000000};
    while (nanosleep(&left, &left) != 0) CHECK(errno == EINTR && left.tv_sec < 2);
  }
  return NULL;
}

static time_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec;
}

int main(int argc, char** argv) {
  const time_t seconds = argc > 1 ? atoi(argv[1]) : 2, latest = now() + seconds + 60;
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
  for (int number = SIGRTMIN; number < SIGRTMIN + 4; ++number) {
    action.sa_flags ^= SA_RESTART;
    CHECK(sigaction(number, &action, NULL) == 0);
  }
  CHECK(sigaction(SIGALRM, &action, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0 && pipe(fds) == 0);
  void* (*const work[])(void*) = {writer, reader, adder, adder, sleeper};
  enum { kThreads = sizeof work / sizeof work[0] };
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; ++i) CHECK(pthread_create(&threads[i], NULL, work[i], NULL) == 0);
  const pid_t self = getpid(), child = fork();
  if (child == 0) {  // from outside, as fast as it can
    while (now() < latest)
      if (kill(self, SIGUSR1) != 0) _exit(1);
    _exit(0);
  }
  const struct itimerval often = {{0, 1000}, {0, 1000}};
  CHECK(child > 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
  unsigned long sent[4] = {0};
  const time_t end = now() + seconds + 1;  // that many and a part of one more, however late it is by now
  for (unsigned i = 0; now() < end; ++i) {
    // Those from SIGRTMIN on are queued: each that was sent is handled once.
    const int error =
        pthread_sigqueue(threads[i % kThreads], SIGRTMIN + (int)(i % 4), (union sigval){.sival_int = 1});
    CHECK(error == 0 || error == EAGAIN);
    sent[i % 4] += error == 0;
    if (error != 0) sched_yield();
  }
  CHECK(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL) == 0);
  int status = 0;
  CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
  atomic_store(&over, true);
  for (int i = 0; i < kThreads; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(counted == added && handled[SIGALRM] > 0 && handled[SIGUSR1] > 0);
  for (int i = 0; i < 4; ++i) CHECK(atomic_load(&handled[SIGRTMIN + i]) == sent[i]);
  for (int i = 0; i < 4; ++i) CHECK(sent[i] > 0);
  puts("ok");
  return 0;
}
