// What the tests' C programs share: a program has named cases, runs the one that it is told, and says where it failed.
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                         \
  do {                                                                                           \
    if (!(condition)) {                                                                          \
      fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno);          \
      _exit(1);                                                                                  \
    }                                                                                            \
  } while (0)

struct test_case {
  const char* name;
  void (*run)(void);
};

// `program NAME`, or `program` for the names of all.
static inline int run_case(const struct test_case* cases, size_t count, int argc, char** argv) {
  for (size_t i = 0; i < count; ++i) {
    if (argc < 2) puts(cases[i].name);
    else if (strcmp(cases[i].name, argv[1]) == 0) {
      cases[i].run();
      puts("ok");
      return 0;
    }
  }
  return argc < 2 ? 0 : 2;
}

#define MAIN(cases) \
  int main(int argc, char** argv) { return run_case(cases, sizeof(cases) / sizeof((cases)[0]), argc, argv); }
