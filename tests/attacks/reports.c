// Attacks on the launcher's own reports: hostile text in them, and files that change under its pen.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "attack.h"

// Clears the screen, sets the title, forges a line, ends a JSON string, and is not UTF-8 at the end.
static const char kHostile[] =
    "/tmp/\033[2J\033]0;OWNED\007\n{\"event\":\"exited\"}\r\"},\xc2\x9b\xe2\x80\xae\xff\xfe";

// Denied calls whose arguments are hostile text; the reports must carry them, and only as text.
static void hostile_names(int argc, char** argv) {
  (void)argc, (void)argv;
  prctl(PR_SET_NAME, "\033[31m\n\xff", 0, 0, 0);
  mount(kHostile, kHostile, kHostile, MS_BIND, kHostile);
  umount2(kHostile, 0);
  chroot(kHostile);
  open(kHostile, O_RDONLY);
  mkdir(kHostile, 0700);
  if (sethostname(kHostile, sizeof kHostile - 1) == 0) fprintf(stderr, "the hostname was set\n");
  // A path that has no end within the page, and one that is nowhere.
  syscall(SYS_mount, (void*)1, (void*)-4096L, NULL, 0, NULL);
  syscall(SYS_chroot, (void*)0x7ffffffff000);
  char long_path[8192];
  memset(long_path, '\033', sizeof long_path - 1);
  long_path[sizeof long_path - 1] = '\0';
  mount(long_path, long_path, long_path, 0, long_path);
  exit(0);
}

// A report that is written by name at the end is written where the workload says.
static void replace_report(int argc, char** argv) {
  if (argc < 2) broken("usage: replace-report REPORT TARGET");
  if (unlink(argv[0]) != 0 && errno != ENOENT) refused("unlink %s", argv[0]);
  if (symlink(argv[1], argv[0]) != 0) refused("symlink %s", argv[0]);
  exit(0);
}

// Says something on both streams; whose files they are is the launcher's doing.
static void print(int argc, char** argv) {
  if (argc < 1) broken("usage: print TEXT");
  dprintf(1, "%s\n", argv[0]);
  dprintf(2, "%s\n", argv[0]);
  exit(0);
}

// More denials than any report should hold, each of another argument so that none can be folded.
static void flood(int argc, char** argv) {
  long calls = argc > 0 ? atol(argv[0]) : 20000;
  char path[64];
  for (long i = 0; i < calls; ++i) {
    snprintf(path, sizeof path, "/tmp/%ld", i);
    mount(path, path, NULL, MS_BIND, NULL);
  }
  exit(0);
}

const Attack kReportAttacks[] = {
    {"hostile-names", hostile_names},
    {"replace-report", replace_report},
    {"print", print},
    {"flood", flood},
    {NULL, NULL},
};
