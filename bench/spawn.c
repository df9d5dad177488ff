/* spawn ROUNDS GAP_US CPU COMMANDS: times start-up to exit of every command in the file COMMANDS, one round
 * after the other, so that whatever else the machine does falls upon all alike. A line of COMMANDS is one
 * command, its words separated by tabs; a word of the form N<FILE opens FILE as descriptor N. Prints a line
 * for each run: the command's number, its nanoseconds, its wait status.
 *
 * CPU: -1, or the one CPU that everything is pinned to. GAP_US: the pause before each run, in which the
 * kernel finishes what the run before left it (it takes network namespaces apart in the background). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kCommands = 64, kWords = 128 };

extern char** environ;
static char* commands[kCommands][kWords + 1];
static posix_spawn_file_actions_t files[kCommands];

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int read_commands(const char* path) {
  FILE* file = fopen(path, "re");
  if (!file) return perror(path), -1;
  char* line = NULL;
  size_t room = 0;
  int count = 0;
  while (count < kCommands && getline(&line, &room, file) > 0) {
    line[strcspn(line, "\n")] = '\0';
    int words = 0;
    posix_spawn_file_actions_init(&files[count]); /* nothing comes in, and nobody reads what comes out */
    for (int fd = 0; fd < 3; ++fd)
      posix_spawn_file_actions_addopen(&files[count], fd, "/dev/null", O_RDWR, 0);
    for (char* word = strtok(line, "\t"); word && words < kWords; word = strtok(NULL, "\t")) {
      char* end;
      const long fd = strtol(word, &end, 10);
      if (end > word && *end == '<')
        posix_spawn_file_actions_addopen(&files[count], (int)fd, end + 1, O_RDONLY, 0);
      else
        commands[count][words++] = word;
    }
    if (words > 0) ++count;
    line = NULL;
  }
  fclose(file);
  return count;
}

int main(int argc, char** argv) {
  if (argc != 5) return fprintf(stderr, "usage: spawn ROUNDS GAP_US CPU COMMANDS\n"), 2;
  const int rounds = atoi(argv[1]), gap = atoi(argv[2]), cpu = atoi(argv[3]);
  const int count = read_commands(argv[4]);
  if (count <= 0) return 1;
  if (cpu >= 0) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) return perror("sched_setaffinity"), 1;
  }
  int order[kCommands];
  for (int i = 0; i < count; ++i) order[i] = i;
  srand(1);
  for (int round = 0; round < rounds; ++round)
    for (int turn = 0; turn < count; ++turn) {
      /* in another order in each round: what one leaves behind must not always meet the same other */
      const int other = turn + rand() % (count - turn), i = order[other];
      order[other] = order[turn];
      order[turn] = i;
      const struct timespec pause = {gap / 1000000, gap % 1000000 * 1000L};
      if (gap > 0) nanosleep(&pause, NULL);
      pid_t pid = 0;
      int status = 0;
      const long begin = now();
      if (posix_spawn(&pid, commands[i][0], &files[i], NULL, commands[i], environ) != 0)
        return perror(commands[i][0]), 1;
      while (waitpid(pid, &status, 0) < 0) {
      }
      printf("%d %ld %d\n", i, now() - begin, status);
    }
  return 0;
}
