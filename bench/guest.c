/* What a program pays for its calls: the same static program on the host and behind every tier.
 *
 *   guest calls               name<TAB>nanoseconds for each call, the best of some rounds
 *   guest start N CMD...      microseconds for each fork, exec, exit and wait of CMD, N times
 *   guest time N CMD...       the shortest time of N runs of CMD, in microseconds, its output thrown away
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 7 };

static double now(void) {
  struct timespec time;

  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

#define MEASURE(name, count, call)                 \
  do {                                             \
    double best = 1e18;                            \
    for (int round = 0; round < ROUNDS; round++) { \
      double start = now();                        \
      for (int i = 0; i < (count); i++) call;      \
      double each = (now() - start) / (count);     \
      best = each < best ? each : best;            \
    }                                              \
    printf("%s\t%.1f\n", name, best);              \
  } while (0)

static void must(int good, const char* what) {
  if (good) return;
  perror(what);
  exit(1);
}

static void calls(void) {
  static char buffer[4096];
  struct stat status;
  int file, pipes[2];

  file = open("/usr/share/common-licenses/GPL-3", O_RDONLY);
  must(file >= 0, "open");
  must(pipe(pipes) == 0, "pipe");
  MEASURE("getppid", 20000, getppid());
  MEASURE("fstat", 10000, must(fstat(file, &status) == 0, "fstat"));
  MEASURE("stat, 4 components", 10000, must(stat("/usr/share/common-licenses/GPL-3", &status) == 0, "stat"));
  MEASURE("open+close", 5000, must(close(open("/usr/share/common-licenses/GPL-3", O_RDONLY)) == 0, "open"));
  MEASURE("read 1 B", 10000, must(pread(file, buffer, 1, 0) == 1, "read"));
  MEASURE("read 4 KiB", 10000, must(pread(file, buffer, 4096, 0) == 4096, "read"));
  MEASURE("pipe write+read 1 B", 10000,
          must(write(pipes[1], buffer, 1) == 1 && read(pipes[0], buffer, 1) == 1, "pipe"));
  {
    const size_t size = 32 << 20;
    double best = 1e18;

    for (int round = 0; round < 3; round++) {
      char* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      double start;

      must(memory != MAP_FAILED, "mmap");
      madvise(memory, size, MADV_NOHUGEPAGE);
      start = now();
      for (size_t at = 0; at < size; at += 4096) memory[at] = 1;
      best = (now() - start) / (size / 4096) < best ? (now() - start) / (size / 4096) : best;
      munmap(memory, size);
    }
    printf("page fault\t%.1f\n", best);
  }
}

static void run(char** command, int quiet) {
  pid_t child = fork();
  int status = 0;

  must(child >= 0, "fork");
  if (child == 0) {
    int null = quiet ? open("/dev/null", O_WRONLY) : -1;

    if (null >= 0) dup2(null, 1);
    execvp(command[0], command);
    _exit(127);
  }
  must(waitpid(child, &status, 0) == child, "waitpid");
  if (status != 0) {
    fprintf(stderr, "guest: %s ended with %d\n", command[0], status);
    exit(1);
  }
}

int main(int count, char** arguments) {
  int rounds = count > 3 ? atoi(arguments[2]) : 0;

  if (count == 2 && strcmp(arguments[1], "calls") == 0) {
    calls();
  } else if (count > 3 && strcmp(arguments[1], "start") == 0) {
    double best = 1e18;

    for (int group = 0; group < 5; group++) {
      double start = now();

      for (int i = 0; i < rounds; i++) run(arguments + 3, 0);
      best = (now() - start) / rounds < best ? (now() - start) / rounds : best;
    }
    printf("%.1f\n", best / 1000);
  } else if (count > 3 && strcmp(arguments[1], "time") == 0) {
    double best = 1e18;

    for (int i = 0; i < rounds; i++) {
      double start = now();

      run(arguments + 3, 1);
      best = now() - start < best ? now() - start : best;
    }
    printf("%.1f\n", best / 1000);
  } else {
    fprintf(stderr, "usage: guest calls | start N CMD... | time N CMD...\n");
    return 2;
  }
  return 0;
}
