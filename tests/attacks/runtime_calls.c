// Calls of the host's from somebody else's text: a jump to a `syscall` that no trap sees.
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "runtime.h"

static long try_open(const char* unused) {
  (void)unused;
  return RAW(SYS_open, "/", O_RDONLY | O_DIRECTORY);
}
static long try_openat(const char* unused) {
  (void)unused;
  return RAW(SYS_openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY);
}
static long try_openat2(const char* unused) {
  (void)unused;
  struct open_how how = {.flags = O_RDONLY | O_DIRECTORY};
  return RAW(SYS_openat2, AT_FDCWD, "/", &how, sizeof how);
}
static long try_socket(const char* unused) {
  (void)unused;
  return RAW(SYS_socket, AF_INET, SOCK_STREAM, 0);
}
static long try_unix_socket(const char* unused) {
  (void)unused;
  return RAW(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
}
static long try_socketpair(const char* unused) {
  (void)unused;
  int ends[2];
  return RAW(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends);
}
static long try_connect(const char* port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  long fd = RAW(SYS_socket, AF_INET, SOCK_STREAM, 0);
  return RAW(SYS_connect, fd < 0 ? 0 : fd, &address, sizeof address);
}
static long try_ptrace(const char* unused) {
  (void)unused;
  return RAW(SYS_ptrace, PTRACE_TRACEME);
}
static long try_mount(const char* unused) {
  (void)unused;
  // In namespaces of its own, where they are to be had: the mount is gone when this process is.
  RAW(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS);
  return RAW(SYS_mount, "none", "/tmp", "tmpfs", 0, 0);
}
static long try_exit(const char* unused) {
  (void)unused;
  return RAW(SYS_exit_group, 0);
}
static long try_unshare(const char* unused) {
  (void)unused;
  return RAW(SYS_unshare, CLONE_NEWUSER);
}
static long try_clone_user(const char* unused) {
  (void)unused;
  long pid = RAW(SYS_clone, CLONE_NEWUSER | SIGCHLD);
  if (pid == 0) RAW(SYS_exit_group, 0);
  return pid;
}
static long try_clone3_user(const char* unused) {
  (void)unused;
  struct clone_args how = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  long pid = RAW(SYS_clone3, &how, sizeof how);
  if (pid == 0) RAW(SYS_exit_group, 0);
  return pid;
}
static long try_execve(const char* program) {
  const char* words[] = {"attack", "win", NULL};
  const char* none[] = {NULL};
  return RAW(SYS_execve, program, words, none);  // "win" ends as one that has won
}
static long try_vm_write(const char* unused) {
  (void)unused;
  static char target[4];
  struct iovec from = {"evil", 4};
  struct iovec to = {target, 4};
  long done = RAW(SYS_process_vm_writev, RAW(SYS_getpid), &from, 1, &to, 1, 0);
  return done == 4 && memcmp(target, "evil", 4) == 0 ? 0 : done;
}
static long try_vm_read(const char* unused) {
  (void)unused;
  static char target[4];
  struct iovec to = {target, 4};
  struct iovec from = {"evil", 4};
  long done = RAW(SYS_process_vm_readv, RAW(SYS_getpid), &to, 1, &from, 1, 0);
  return done == 4 && memcmp(target, "evil", 4) == 0 ? 0 : done;
}
static long try_kill(const char* unused) {
  (void)unused;
  return RAW(SYS_kill, RAW(SYS_getpid), 0);
}
static long try_pidfd(const char* unused) {
  (void)unused;
  return RAW(SYS_pidfd_open, RAW(SYS_getpid), 0);
}
static long try_memfd(const char* unused) {
  (void)unused;
  return RAW(SYS_memfd_create, "mine", 0);
}
static long try_dup(const char* unused) {
  (void)unused;
  return RAW(SYS_dup, 1);
}
static long try_prctl(const char* unused) {
  (void)unused;
  return RAW(SYS_prctl, PR_SET_NAME, "evil");
}
static long try_ring(const char* unused) {
  (void)unused;
  struct io_uring_params parameters = {0};
  return RAW(SYS_io_uring_setup, 4, &parameters);
}
// A filter that asks for a notification: whoever hears it could say "go on".
static long try_listener(const char* unused) {
  (void)unused;
  struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)};
  struct sock_fprog program = {1, code};
  RAW(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  long fd = RAW(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  // From here on every call waits for a listener; the kernel takes this process away with its parent.
  if (fd >= 0) __asm__ volatile("hlt");
  return fd;
}
static long try_terminal(const char* unused) {
  (void)unused;
  char letter = 'x';
  for (int fd = 0; fd < 3; ++fd) {
    long done = RAW(SYS_ioctl, fd, FIONREAD, &letter);
    if (done != -EPERM && done != -ENOSYS) return 0;  // the question has reached a driver
  }
  return -EPERM;
}

static const struct {
  const char* name;
  long (*run)(const char* argument);
} kRawCalls[] = {
    {"open", try_open},
    {"openat", try_openat},
    {"openat2", try_openat2},
    {"socket", try_socket},
    {"unix-socket", try_unix_socket},
    {"socketpair", try_socketpair},
    {"connect", try_connect},
    {"ptrace", try_ptrace},
    {"mount", try_mount},
    {"unshare", try_unshare},
    {"clone-user", try_clone_user},
    {"clone3-user", try_clone3_user},
    {"execve", try_execve},
    {"vm-write", try_vm_write},
    {"vm-read", try_vm_read},
    {"kill", try_kill},
    {"pidfd", try_pidfd},
    {"memfd", try_memfd},
    {"dup", try_dup},
    {"prctl", try_prctl},
    {"io-uring", try_ring},
    {"listener", try_listener},
    {"terminal", try_terminal},
    {"exit", try_exit},
};

static int work_of_raw_call(void* data) {
  char** words = data;
  for (size_t i = 0; i < sizeof kRawCalls / sizeof kRawCalls[0]; ++i) {
    if (strcmp(kRawCalls[i].name, words[0]) != 0) continue;
    long result = kRawCalls[i].run(words[1]);
    if (result >= 0) return kWon;
    return result == -ENOSYS ? 100 : result == -EPERM ? 101 : 102;
  }
  return kBroken;
}

// raw-call own|runtime NAME [ARGUMENT]
static void raw_call(int argc, char** argv) {
  if (argc < 2) broken("usage: raw-call own|runtime NAME [ARGUMENT]");
  find_gadget(argv[0]);
  char* words[] = {argv[1], argc > 2 ? argv[2] : "", NULL};
  const int status = in_child(work_of_raw_call, words);
  errno = 0;
  if (status == kWon || (strcmp(argv[1], "listener") == 0 && status == 128 + SIGSEGV)) won("%s", argv[1]);
  if (status == 100) errno = ENOSYS;
  if (status == 101) errno = EPERM;
  if (status != 100 && status != 101) broken("%s: status %d", argv[1], status);
  refused("%s", argv[1]);
}

static void win(int argc, char** argv) {
  (void)argc, (void)argv;
  won("executed");
}

// raw-sweep own|runtime: prints the numbers of all calls that do not end with ENOSYS. Their arguments are
// nonsense.
static void raw_sweep(int argc, char** argv) {
  if (argc < 1) broken("usage: raw-sweep own|runtime");
  find_gadget(argv[0]);
  volatile long* answer = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (answer == MAP_FAILED) broken("mmap");
  for (long number = 0; number < 600; ++number) {
    *answer = 0;
    fflush(stdout);
    const pid_t pid = fork();
    if (pid < 0) broken("fork");
    if (pid == 0) {
      *answer = RAW(number, -1, -1, -1, -1, -1, -1);
      _exit(0);
    }
    pid_t ended = 0;
    for (int tries = 0; tries < 300 && (ended = waitpid(pid, NULL, WNOHANG)) == 0 && *answer == 0; ++tries) {
      const struct timespec pause = {0, 1000000};
      nanosleep(&pause, NULL);
    }
    if (ended == 0) {
      kill(pid, SIGKILL);
      waitpid(pid, NULL, 0);
    }
    if (*answer != -ENOSYS) printf("%ld\n", number);
  }
  fflush(stdout);
  errno = 0;
  refused("swept");
}

// raw-kill: every process that the domain's one signalling call reaches.
static void raw_kill(int argc, char** argv) {
  (void)argc, (void)argv;
  find_gadget("runtime");
  const long self = RAW(SYS_getpid);
  for (long pid = 1; pid < 300; ++pid)
    if (pid != self) RAW(SYS_tgkill, pid, pid, SIGKILL);
  for (;;) RAW(SYS_sched_yield);
}

// raw-survive: a process that no kernel of ours knows of, made a sibling of its maker; it never ends by
// itself.
static void raw_survive(int argc, char** argv) {
  find_gadget("runtime");
  for (int i = 0; i < 3; ++i) {
    const long pid = RAW(SYS_clone, (i == 0 ? CLONE_PARENT : 0) | SIGCHLD);
    if (pid == 0)
      for (;;) {
        struct timespec pause = {1, 0};
        RAW(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &pause, 0);
      }
    if (pid < 0) broken("clone %ld", pid);
  }
  errno = 0;
  if (argc > 0 && strcmp(argv[0], "spin") == 0)
    for (;;) continue;
  refused("left behind");
}

const Attack kRuntimeCallAttacks[] = {
    {"raw-call", raw_call},       {"win", win}, {"raw-sweep", raw_sweep}, {"raw-kill", raw_kill},
    {"raw-survive", raw_survive}, {NULL, NULL},
};
