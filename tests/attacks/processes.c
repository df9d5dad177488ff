// Attacks on other processes, and attempts to outlive the sandbox.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "attack.h"

// Everything that we may signal. Run it only where that is nothing but canaries.
static void kill_all(int argc, char** argv) {
  (void)argc, (void)argv;
  if (kill(-1, SIGKILL) == 0) won("kill(-1) found someone");
  refused("kill(-1)");
}

static void kill_one(int argc, char** argv) {
  if (argc < 1) broken("usage: kill PID");
  if (kill(atoi(argv[0]), 0) == 0) won("process %s of the host can be signalled", argv[0]);
  refused("kill %s", argv[0]);
}

// The memory of a process of the host that has our own uid.
static void read_memory(int argc, char** argv) {
  if (argc < 2) broken("usage: read-memory PID ADDRESS");
  char text[64] = "";
  struct iovec local = {text, sizeof text - 1}, remote = {(void*)strtoull(argv[1], NULL, 0), sizeof text - 1};
  if (process_vm_readv(atoi(argv[0]), &local, 1, &remote, 1, 0) > 0 &&
      strncmp(text, CANARY, strlen(CANARY)) == 0)
    won("process_vm_readv: %s", text);
  if (ptrace(PTRACE_SEIZE, atoi(argv[0]), NULL, NULL) == 0) won("ptrace: process %s is ours", argv[0]);
  refused("process %s cannot be read", argv[0]);
}

// Writes its name into the folder for as long as it lives: the driver sees from outside who survived.
static _Noreturn void stay(const char* folder, const char* name) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) _exit(1);
  for (int signal = 1; signal < 65; ++signal)
    if (signal != SIGKILL && signal != SIGSTOP)
      sigaction(signal, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  for (;;) pause();
}

// Until the other has got as far as to write its name: on a busy machine that may take long.
static void await(const char* folder, const char* name) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  while (access(path, F_OK) != 0) usleep(1000);
  usleep(100000);
}

static int double_forked(void* folder) {
  if (fork() == 0) {
    if (fork() == 0) stay(folder, "double-forked");
    _exit(0);
  }
  return 0;
}

static int new_session(void* folder) {
  if (fork() == 0) {
    setsid();
    if (fork() == 0) stay(folder, "new-session");
    _exit(0);
  }
  return 0;
}

static int stopped(void* folder) {
  pid_t pid = fork();
  if (pid == 0) stay(folder, "stopped");
  await(folder, "stopped");
  kill(pid, SIGSTOP);
  return 0;
}

// A tracer that never lets its tracee go, and each the other's parent.
static int traced(void* folder) {
  if (fork() != 0) return 0;
  pid_t pid = fork();
  if (pid == 0) stay(folder, "traced");
  await(folder, "traced");
  ptrace(PTRACE_SEIZE, pid, NULL, NULL);
  ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
  stay(folder, "tracer");
}

// A child of vfork that never ends holds its parent in an uninterruptible, but killable, wait.
static int vforked(void* folder) {
  if (fork() != 0) return 0;
  if (vfork() == 0) stay(folder, "vforked");
  return 0;
}

static void survive(int argc, char** argv) {
  if (argc < 1) broken("usage: survive FOLDER");
  if (kill(1, SIGSTOP) != 0) perror("note: stop process 1");
  in_child(double_forked, argv[0]);
  in_child(new_session, argv[0]);
  in_child(stopped, argv[0]);
  in_child(traced, argv[0]);
  in_child(vforked, argv[0]);
  usleep(300000);
  stay(argv[0], "main");
}

// Forks for as long as it can, so that a kill that walks a list of processes is always one behind.
static void outrun(int argc, char** argv) {
  if (argc < 1) broken("usage: outrun FOLDER");
  char path[512];
  snprintf(path, sizeof path, "%s/main", argv[0]);
  close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  signal(SIGCHLD, SIG_IGN);
  // The first process waits, so that the sandbox does not end with it.
  for (pid_t first = fork(); first != 0;) pause();
  for (;;) {
    pid_t pid = fork();
    if (pid > 0) _exit(0);  // the child goes on under a new pid
    if (pid < 0) usleep(1000);
    setsid();
  }
}

static void show_privileges(int argc, char** argv) {
  (void)argc, (void)argv;
  uid_t real, effective, saved;
  getresuid(&real, &effective, &saved);
  char line[256], *effective_set = NULL;
  FILE* status = fopen("/proc/self/status", "re");
  while (status != NULL && fgets(line, sizeof line, status) != NULL)
    if (strncmp(line, "CapEff:", 7) == 0) effective_set = strdup(line + 7);
  if (effective_set == NULL) broken("/proc/self/status");
  if (real != effective) won("effective uid %u, real uid %u", effective, real);
  if (strtoull(effective_set, NULL, 16) != 0) won("capabilities %s", effective_set);
  errno = 0;
  refused("uid %u without capabilities", real);
}

// Executes a program that is setuid or has file capabilities; it reports its privileges as our status.
static void execute(int argc, char** argv) {
  if (argc < 1) broken("usage: execute PROGRAM");
  char* arguments[] = {argv[0], (char*)"show-privileges", NULL};
  execv(argv[0], arguments);
  refused("execute %s", argv[0]);
}

// Crashes in a folder of the caller's, with as large a core file as is allowed.
static void crash(int argc, char** argv) {
  if (argc < 1) broken("usage: crash FOLDER");
  struct rlimit limit;
  if (chdir(argv[0]) != 0 || getrlimit(RLIMIT_CORE, &limit) != 0) broken("chdir %s", argv[0]);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_CORE, &limit);
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  abort();
}

// A setting of our own that somebody else was led to write.
static void score(int argc, char** argv) {
  (void)argc, (void)argv;
  char text[16] = "";
  int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) refused("read oom_score_adj");
  if (atoi(text) == 500) won("oom_score_adj is 500");
  errno = 0;
  refused("oom_score_adj is %d", atoi(text));
}

// A file that is setuid for the caller, left on the host where anyone may run it.
static void plant_setuid(int argc, char** argv) {
  if (argc < 1) broken("usage: plant-setuid PATH");
  int fd = open(argv[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
  if (fd < 0) refused("create %s", argv[0]);
  if (fchmod(fd, 06755) != 0) refused("fchmod 6755");
  struct stat status;
  fstat(fd, &status);
  if ((status.st_mode & 06000) == 0) refused("the bits were dropped");
  won("%s has mode %o", argv[0], status.st_mode);
}

const Attack kProcessAttacks[] = {
    {"kill-all", kill_all},
    {"kill", kill_one},
    {"read-memory", read_memory},
    {"survive", survive},
    {"outrun", outrun},
    {"show-privileges", show_privileges},
    {"execute", execute},
    {"plant-setuid", plant_setuid},
    {"score", score},
    {"crash", crash},
    {NULL, NULL},
};
