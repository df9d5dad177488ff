// The weak jail's filters: one that looks at numbers alone, one whose listener is gone, and a supervisor that
// decides on what it reads from the workload's memory and lets the kernel continue.
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "weak_jail.h"

static int launcher_end = -1;

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_HIGH(index) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[index]) + 4)
#define LOAD_LOW(index) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[index]))
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, action)
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)

static int load(struct sock_filter* code, unsigned short length, unsigned flags) {
  struct sock_fprog program = {length, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  int result = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (result < 0) die("seccomp");
  return result;
}

// Denies mkdir and TIOCSTI, without a look at the architecture, at bit 30 of the number, or at rings; the
// request is compared as the 64 bits that it is not.
static void load_naive(void) {
  struct sock_filter code[] = {
      LOAD(nr),
      UNLESS(SYS_mkdir, 1),
      ANSWER(SECCOMP_RET_ERRNO | EPERM),
      UNLESS(SYS_mkdirat, 1),
      ANSWER(SECCOMP_RET_ERRNO | EPERM),
      UNLESS(SYS_ioctl, 5),
      LOAD_HIGH(1),
      UNLESS(0, 3),
      LOAD_LOW(1),
      UNLESS(0x5412, 1),
      ANSWER(SECCOMP_RET_ERRNO | EPERM),
      ANSWER(SECCOMP_RET_ALLOW),
  };
  load(code, sizeof code / sizeof code[0], 0);
}

// Denies unshare by asking a listener that nobody holds any more: the calls fail, but the place is free for
// another listener.
static void load_dropped_listener(void) {
  struct sock_filter code[] = {
      LOAD(nr),
      UNLESS(SYS_unshare, 1),
      ANSWER(SECCOMP_RET_USER_NOTIF),
      ANSWER(SECCOMP_RET_ALLOW),
  };
  close(load(code, sizeof code / sizeof code[0], SECCOMP_FILTER_FLAG_NEW_LISTENER));
}

int prepare_supervisor(void) {
  if (options.supervise == NULL) return -1;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) die("socketpair");
  launcher_end = ends[0];
  return ends[1];
}

static void pass(int socket, int fd) {
  char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec data = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (sendmsg(socket, &message, 0) != 1) die("sendmsg");
}

static int receive(int socket) {
  char byte, control[CMSG_SPACE(sizeof(int))];
  struct iovec data = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || CMSG_FIRSTHDR(&message) == NULL) return -1;
  int fd;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

void load_filter(int socket) {
  if (options.filter != NULL && strcmp(options.filter, "naive") == 0) load_naive();
  if (options.filter != NULL && strcmp(options.filter, "dropped-listener") == 0) load_dropped_listener();
  if (socket < 0) return;
  struct sock_filter code[] = {
      LOAD(nr),
      UNLESS(SYS_openat, 1),
      ANSWER(SECCOMP_RET_USER_NOTIF),
      ANSWER(SECCOMP_RET_ALLOW),
  };
  int listener = load(code, sizeof code / sizeof code[0], SECCOMP_FILTER_FLAG_NEW_LISTENER);
  pass(socket, listener);
  close(listener);
  close(socket);
}

void supervise(pid_t workload) {
  if (launcher_end < 0) return;
  int listener = receive(launcher_end);
  if (listener < 0) return;
  // Before Linux 6.11 the listener hangs up only when the workload is reaped, which is done after this.
  int ended = (int)syscall(SYS_pidfd_open, workload, 0);
  for (;;) {
    struct pollfd ready[] = {{listener, POLLIN, 0}, {ended, POLLIN, 0}};
    if (poll(ready, 2, -1) < 0 || (ready[0].revents & POLLIN) == 0) return;
    struct seccomp_notif request = {0};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) continue;
    char path[256] = "";
    struct iovec local = {path, sizeof path - 1}, remote = {(void*)request.data.args[1], sizeof path - 1};
    process_vm_readv((pid_t)request.pid, &local, 1, &remote, 1, 0);
    struct seccomp_notif_resp answer = {.id = request.id};
    if (strcmp(path, options.supervise) == 0)
      answer.error = -EACCES;
    else
      answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
}
