// Calls that do not come from the run-time's text, with what tells them apart taken away, or from code that
// no rewriter has seen.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include "runtime.h"

// Writes code of ours that calls the kernel, number first: no rewriter has seen it. Null: it may not be made
// executable.
typedef long (*Call)(long number, ...);
static Call written_call(const char* how) {
  const int both = PROT_READ | PROT_WRITE | PROT_EXEC;
  unsigned char* page = mmap(NULL, 4096, strcmp(how, "at-once") == 0 ? both : PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return NULL;
  // mov rax, rdi; mov rdi, rsi; mov rsi, rdx; mov rdx, rcx; syscall; ret
  static const unsigned char code[] = {0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89,
                                       0xd6, 0x48, 0x89, 0xca, 0x0f, 0x05, 0xc3};
  memcpy(page, code, sizeof code);
  if (strcmp(how, "at-once") != 0 &&
      mprotect(page, 4096, strcmp(how, "both") == 0 ? both : PROT_READ | PROT_EXEC) != 0)
    return NULL;
  return (Call)page;
}

static volatile sig_atomic_t sigsys_seen;
static void on_sigsys(int number) {
  (void)number;
  sigsys_seen = 1;
}

struct host_sigaction {
  void* handler;
  unsigned long flags;
  void* restorer;
  unsigned long mask;
};

__asm__(
    ".pushsection .text\n"
    "own_restorer: movl $15, %eax\n syscall\n"
    ".popsection\n");
extern const unsigned char own_restorer[];

static int work_of_sigsys(void* data) {
  const char* how = data;
  find_gadget("runtime");
  const Call call = written_call("later");
  if (call == NULL || call(SYS_getpid) != getpid()) return kBroken;
  if (strcmp(how, "block") == 0) {
    uint64_t mask = 1UL << (SIGSYS - 1);
    if (RAW(SYS_rt_sigprocmask, SIG_BLOCK, &mask, 0, 8) != 0) return kBroken;
  } else {
    struct host_sigaction action = {strcmp(how, "ignore") == 0    ? (void*)SIG_IGN
                                    : strcmp(how, "default") == 0 ? (void*)SIG_DFL
                                                                  : (void*)on_sigsys,
                                    0x04000000, (void*)own_restorer, 0};
    if (RAW(SYS_rt_sigaction, SIGSYS, &action, 0, 8) != 0) return kBroken;
  }
  // A descriptor of the host's answers a call of the host's; one of the library kernel's is not known there.
  const long fd = call(SYS_openat, AT_FDCWD, "/", O_RDONLY);
  char byte;
  const bool gained = fd >= 0 && fd < 1024 && RAW(SYS_read, fd, &byte, 1) == -EISDIR;
  return gained ? kWon : sigsys_seen ? 1 : kRefused;
}

// sigsys block|ignore|default|handle: what tells calls apart is taken away; the calls must not reach the host
// by that.
static void sigsys(int argc, char** argv) {
  if (argc < 1) broken("usage: sigsys block|ignore|default|handle");
  const int status = in_child(work_of_sigsys, argv[0]);
  errno = 0;
  if (status == kWon) won("a call reached the host");
  if (status == kBroken) broken("%s", argv[0]);
  refused("it ended with %d", status);
}

// jit at-once|both|later: memory that is writable and executable at once, becomes both, or one after the
// other; the code that is written there calls the kernel directly. Prints who answered: a host name, a
// release and a pid.
static void jit(int argc, char** argv) {
  const Call call = written_call(argc > 0 ? argv[0] : "");
  if (call == NULL) refused("code of its own");
  struct utsname names;
  if (call(SYS_uname, &names) != 0) broken("uname");
  if (call(SYS_getpid) != getpid()) broken("another pid");
  const long fd = call(SYS_openat, AT_FDCWD, "/", O_RDONLY);
  if (fd < 0 || fcntl((int)fd, F_GETFD) < 0) broken("openat %ld", fd);
  printf("%s %s %d\n", names.nodename, names.release, getpid());
  fflush(stdout);
  won("%s", argc > 0 ? argv[0] : "");
}

const Attack kRuntimeCodeAttacks[] = {
    {"sigsys", sigsys},
    {"jit", jit},
    {NULL, NULL},
};
