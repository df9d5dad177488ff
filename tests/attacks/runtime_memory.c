// What a guest can write: the library kernel, the run-time's slots, the devices' registers; and what it can
// unmap.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "runtime.h"

static uint64_t seed;
static uint64_t some(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

// The parts of it, by name.
static bool area_named(const char* name, uint64_t* at, uint64_t* size) {
  const struct lib_header* header = kernel_header();
  const struct {
    const char* name;
    uint64_t at, size;
  } areas[] = {
      {"data", header->text_end, header->image_end - header->text_end},  // of the library kernel's image
      {"pages", LIB_BASE + (64UL << 20), 192UL << 20},                   // its heap, stacks, and virtqueues
      {"lock", (uint64_t)header->shared, 64},
      {"windows", (uint64_t)header->shared->windows, sizeof header->shared->windows},
      {"carriers", (uint64_t)header->carriers, sizeof(struct lib_carrier) * 16},
      {"header", (uint64_t)header, sizeof *header},
      {"slots", SLOTS, 65536UL * 16},
      {"patches", PATCHES, 65536},
      {"rings", RINGS, RINGS_SIZE},
      {"counts", COUNTS, COUNTS_SIZE},
      {"counters", (uint64_t)header->counters, sizeof *header->counters},
  };
  for (size_t i = 0; i < sizeof areas / sizeof areas[0]; ++i) {
    if (strcmp(areas[i].name, name) != 0) continue;
    *at = areas[i].at;
    *size = areas[i].size;
    return true;
  }
  return false;
}

static double now(void) {
  struct timespec time;
  RAW(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// scribble AREA SEED SECONDS: random words all over it, at once and again and again; in between the calls of
// a program.
static void scribble(int argc, char** argv) {
  if (argc < 3) broken("usage: scribble AREA SEED SECONDS");
  find_gadget("runtime");
  uint64_t at = 0;
  uint64_t size = 0;
  if (!area_named(argv[0], &at, &size)) broken("no area is called %s", argv[0]);
  seed = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15 + 1;
  // What is there must be ours to write, or nothing is tried here.
  volatile uint64_t* word = (volatile uint64_t*)(at + size / 2 / 8 * 8);
  *word = some();
  RAW(SYS_write, 2, "scribbling\n", 11);
  const double end = now() + atof(argv[2]);
  while (now() < end) {
    for (int i = 0; i < 20000; ++i)
      *(volatile uint64_t*)(at + some() % (size / 8) * 8) = some() >> some() % 64;
    if (strcmp(argv[0], "windows") == 0) {
      // Who listens at a window is woken, and finds what is there.
      struct lib_device_window* window = &kernel_header()->shared->windows[some() % 4];
      RAW(SYS_futex, &window->request, 1, 0x7fffffff);
    }
    int fd = open("/proc/version", O_RDONLY);
    char text[64];
    if (read(fd, text, sizeof text) > 0) close(fd);
  }
  refused("scribbled");
}

// registers SEED SECONDS: every access that a driver could make, as one would make it, with random values:
// queues anywhere in memory, of any size, started, rung and reset.
static void registers(int argc, char** argv) {
  if (argc < 2) broken("usage: registers SEED SECONDS");
  find_gadget("runtime");
  seed = strtoull(argv[0], NULL, 10) * 0x9e3779b97f4a7c15 + 1;
  static const uint32_t kInteresting[] = {0x14, 0x20, 0x24, 0x30, 0x38, 0x44, 0x50, 0x64, 0x70,
                                          0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, 0xfc, 0x100};
  unsigned answered = 0;
  RAW(SYS_write, 2, "scribbling\n", 11);
  const double end = now() + atof(argv[1]);
  while (now() < end) {
    struct lib_device_window* window = &kernel_header()->shared->windows[some() % 3];
    window->offset = some() % 4 != 0 ? kInteresting[some() % (sizeof kInteresting / 4)] : (uint32_t)some();
    window->size = some() % 8 != 0 ? 4 : (uint32_t)some();
    window->write = some() % 4 != 0;
    // Small numbers, addresses in the first 256 MiB of memory, and anything.
    const uint64_t kind = some() % 3;
    window->value = kind == 0   ? (uint32_t)some() % 16
                    : kind == 1 ? (uint32_t)some() % (256U << 20) & ~15U
                                : (uint32_t)some();
    const uint32_t asked = __atomic_add_fetch(&window->asked, 1, __ATOMIC_SEQ_CST);
    if (some() % 4 == 0) window->doorbells = (uint32_t)some();
    __atomic_add_fetch(&window->request, 1, __ATOMIC_SEQ_CST);
    RAW(SYS_futex, &window->request, 1, 0x7fffffff);
    for (int i = 0; i < 2000 && __atomic_load_n(&window->answer, __ATOMIC_SEQ_CST) != asked; ++i)
      __asm__ volatile("pause");
    answered += window->answer == asked;
    // Descriptors of a queue that may be anywhere.
    for (int i = 0; i < 64; ++i) {
      volatile uint64_t* entry = (volatile uint64_t*)(LIB_BASE + some() % (16UL << 20) * 16);
      if ((uint64_t)entry < kernel_header()->text_end) continue;
      entry[0] = some() % (1UL << 30);
      entry[1] = some() & 0x000f000fffffffff;
    }
  }
  char line[64];
  const int length = snprintf(line, sizeof line, "answered %u\n", answered);
  RAW(SYS_write, 2, line, length);
  refused("played");
}

// unmap WHAT HOW: the run-time's and the kernel's ranges, asked for politely (then nothing may happen), or by
// the gadget.
static void unmap(int argc, char** argv) {
  if (argc < 2) broken("usage: unmap text|slots|kernel|all unmap|remap|protect|move|raw");
  const bool text = strcmp(argv[0], "text") == 0;
  const bool slots = strcmp(argv[0], "slots") == 0;
  const bool kernel = strcmp(argv[0], "kernel") == 0;
  const uint64_t at = text ? LIB_RUNTIME : slots ? SLOTS : kernel ? LIB_BASE : 0x10000;
  const uint64_t size = text     ? 1UL << 20
                        : slots  ? SLOTS_SIZE
                        : kernel ? MEMORY_SIZE
                                 : 0x7ffffffff000 - 0x10000;
  void* where = (void*)at;
  long done = -1;
  if (strcmp(argv[1], "raw") == 0) {
    find_gadget("runtime");
    RAW(SYS_munmap, at, size);
    getppid();
    refused("there is still somebody who answers");
  }
  if (strcmp(argv[1], "unmap") == 0) done = munmap(where, size);
  if (strcmp(argv[1], "protect") == 0) done = mprotect(where, size, PROT_READ | PROT_WRITE | PROT_EXEC);
  if (strcmp(argv[1], "remap") == 0)
    done =
        mmap(where, size, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == where
            ? 0
            : -1;
  if (strcmp(argv[1], "move") == 0)
    done = mremap(where, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (void*)0x700000000000) == MAP_FAILED ? -1
                                                                                                         : 0;
  if (done == 0) won("%s of %s", argv[1], argv[0]);
  const int error = errno;
  getppid();
  errno = error;
  refused("%s of %s", argv[1], argv[0]);
}

const Attack kRuntimeMemoryAttacks[] = {
    {"scribble", scribble},
    {"registers", registers},
    {"unmap", unmap},
    {NULL, NULL},
};
