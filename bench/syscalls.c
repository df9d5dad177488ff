/* syscalls: the cost of a few system calls, in nanoseconds, where this program runs. It is run bare and in
 * sandboxes by turns. Each figure is the best of many short batches: an interrupt can only make a batch
 * slower. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { kBatch = 1000, kBatches = 60 };

static int zero, null;
static struct stat status;

static void getppid_call(void) {
  syscall(SYS_getppid);
}
static void open_close(void) {
  close(open("/dev/null", O_RDONLY | O_CLOEXEC));
}
static void read_byte(void) {
  char byte;
  if (read(zero, &byte, 1) != 1) _exit(1);
}
static void write_byte(void) {
  if (write(null, "", 1) != 1) _exit(1);
}
static void stat_call(void) {
  if (stat("/dev/null", &status) != 0) _exit(1);
}
static void unknown(void) {
  syscall(1000);
}

static double cost(void (*call)(void)) {
  long best = -1;
  for (int batch = 0; batch < kBatches; ++batch) {
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < kBatch; ++i) call();
    clock_gettime(CLOCK_MONOTONIC, &end);
    const long took = (end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec;
    if (best < 0 || took < best) best = took;
  }
  return (double)best / kBatch;
}

int main(void) {
  static const struct {
    const char* name;
    void (*call)(void);
  } calls[] = {{"getppid", getppid_call},  {"open+close", open_close},
               {"read 1 byte", read_byte}, {"write 1 byte", write_byte},
               {"stat", stat_call},        {"a number that no call has", unknown}};
  zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (zero < 0 || null < 0 || close(open("/dev/null", O_RDONLY | O_CLOEXEC)) != 0) return 1;
  for (size_t i = 0; i < sizeof calls / sizeof *calls; ++i)
    printf("%s\t%.2f\n", calls[i].name, cost(calls[i].call));
  return 0;
}
