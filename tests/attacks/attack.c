// attack NAME [ARG...]: one static program that carries every attack, so that it runs in an empty rootfs.
#include "attack.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static _Noreturn void finish(int status, const char* word, int error, const char* format, va_list arguments) {
  // stderr, because some attacks are about stdout.
  fprintf(stderr, "%s: ", word);
  vfprintf(stderr, format, arguments);
  if (error != 0) fprintf(stderr, " (%s)", strerror(error));
  fputc('\n', stderr);
  exit(status);
}

void won(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  finish(kWon, "won", 0, format, arguments);
}

void refused(const char* format, ...) {
  int error = errno;
  va_list arguments;
  va_start(arguments, format);
  finish(kRefused, "refused", error, format, arguments);
}

void broken(const char* format, ...) {
  int error = errno;
  va_list arguments;
  va_start(arguments, format);
  finish(kBroken, "broken", error, format, arguments);
}

bool fd_has_canary(int fd, char* text, size_t size) {
  // pread for files, so that an inherited offset hides nothing; read for what cannot seek.
  ssize_t got = pread(fd, text, size - 1, 0);
  if (got < 0 && errno == ESPIPE) got = read(fd, text, size - 1);
  if (got <= 0) return false;
  text[got] = '\0';
  text[strcspn(text, "\n")] = '\0';
  return strncmp(text, CANARY, strlen(CANARY)) == 0;
}

bool path_has_canary(int dir, const char* path, char* text, size_t size) {
  int fd = openat(dir, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  bool found = fd_has_canary(fd, text, size);
  close(fd);
  return found;
}

bool each_process(bool (*visit)(pid_t pid, void* data), void* data) {
  DIR* proc = opendir("/proc");
  if (proc == NULL) return false;
  bool stopped = false;
  for (struct dirent* entry; !stopped && (entry = readdir(proc)) != NULL;) {
    long pid = strtol(entry->d_name, NULL, 10);
    if (pid > 0) stopped = visit((pid_t)pid, data);
  }
  closedir(proc);
  return stopped;
}

int in_child(int (*work)(void* data), void* data) {
  fflush(NULL);
  pid_t pid = fork();
  if (pid < 0) broken("fork");
  if (pid == 0) _exit(work(data));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char** argv) {
  static const Attack* const kTables[] = {
      kDescriptorAttacks,  kLauncherAttacks,      kTerminalAttacks,    kMountAttacks,
      kNamespaceAttacks,   kSyscallAttacks,       kSeccompAttacks,     kProcessAttacks,
      kHostAttacks,        kReportAttacks,        kRuntimeCallAttacks, kRuntimeMemoryAttacks,
      kRuntimeCodeAttacks, kRuntimeSecretAttacks,
  };
  if (argc < 2) {
    fprintf(stderr, "usage: attack NAME [ARG...]\n");
    return 2;
  }
  for (size_t t = 0; t < sizeof kTables / sizeof kTables[0]; ++t) {
    for (const Attack* attack = kTables[t]; attack->name != NULL; ++attack) {
      if (strcmp(attack->name, argv[1]) != 0) continue;
      attack->run(argc - 2, argv + 2);
      errno = 0;
      broken("%s ended without a verdict", argv[1]);
    }
  }
  fprintf(stderr, "attack: no attack is called %s\n", argv[1]);
  return 2;
}
