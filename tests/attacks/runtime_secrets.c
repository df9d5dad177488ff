// What a guest can read that was the caller's: memory and descriptors.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "runtime.h"

static bool find_canary(const char* at, size_t size, char* text) {
  const size_t mark = strlen(CANARY);
  for (const char* end = at + size; (size_t)(end - at) >= mark + 16; ++at) {
    at = memchr(at, CANARY[0], (size_t)(end - at) - mark - 15);
    if (at == NULL) return false;
    if (memcmp(at, CANARY, mark) != 0) continue;
    size_t digits = 0;
    while (digits < 16 && strchr("0123456789abcdef", at[mark + digits]) != NULL && at[mark + digits] != '\0')
      ++digits;
    if (digits < 16) continue;
    snprintf(text, mark + 17, "%s", at);
    return true;
  }
  return false;
}

static size_t scanned;

static bool page_has_canary(uint64_t at, char* text) {
  if (sigsetjmp(bad_address, 1) != 0) return false;
  ++scanned;
  return find_canary((const char*)at, 4096, text);
}

static bool scan(uint64_t at, uint64_t end, char* text) {
  static unsigned char there[512];
  for (; at < end; at += sizeof there * 4096) {
    const uint64_t size = end - at < sizeof there * 4096 ? end - at : sizeof there * 4096;
    memset(there, 0, sizeof there);
    const bool whole = RAW(SYS_mincore, at, size, there) == 0;
    for (uint64_t page = 0; page < size / 4096; ++page) {
      const uint64_t address = at + page * 4096;
      unsigned char one = 0;
      // What is not there yet is not made to be there: it holds nothing.
      if (whole ? there[page] == 0 : RAW(SYS_mincore, address, 4096, &one) != 0 || one == 0) continue;
      if (page_has_canary(address, text)) return true;
    }
  }
  return false;
}

// scan own|runtime: all memory that this process can read, for a secret of the caller's.
static void scan_memory(int argc, char** argv) {
  if (argc < 1) broken("usage: scan own|runtime");
  find_gadget(argv[0]);
  const bool bare = strcmp(argv[0], "own") == 0;  // on the host: there is no run-time
  signal(SIGSEGV, on_fault);
  signal(SIGBUS, on_fault);
  char text[64];
  bool found = false;
  if (!bare)
    found = scan(LIB_RUNTIME, LIB_RUNTIME + (4UL << 20), text) || scan(SLOTS, SLOTS + SLOTS_SIZE, text) ||
            scan(PATCHES, PATCHES + (1UL << 20), text) || scan(RINGS, RINGS + RINGS_SIZE, text) ||
            scan(LIB_BASE, LIB_BASE + MEMORY_SIZE, text);
  FILE* maps = fopen("/proc/self/maps", "r");
  if (maps == NULL && bare) broken("no /proc");
  char line[512];
  while (!found && maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    unsigned long start = 0;
    unsigned long end = 0;
    char right = 0;
    if (sscanf(line, "%lx-%lx %c", &start, &end, &right) == 3 && right == 'r' && end < 0x800000000000)
      found = scan(start, end, text);
  }
  if (found) won("%s", text);
  errno = 0;
  refused("%zu pages hold nothing", scanned);
}

// descriptors own|runtime: what the host's side of this process has open, but for the streams.
static void host_descriptors(int argc, char** argv) {
  if (argc < 1) broken("usage: host-descriptors own|runtime");
  find_gadget(argv[0]);
  unsigned open = 0;
  char text[64] = {0};
  for (int fd = 3; fd < 1024; ++fd) {
    const long got = RAW(SYS_read, fd, text, sizeof text - 1);
    if (got == -EBADF || got == -ENOSYS) continue;
    ++open;
    if (got > 0 && strncmp(text, CANARY, strlen(CANARY)) == 0) won("descriptor %d: %s", fd, text);
  }
  errno = 0;
  refused("%u are open", open);
}

const Attack kRuntimeSecretAttacks[] = {
    {"scan", scan_memory},
    {"host-descriptors", host_descriptors},
    {NULL, NULL},
};
