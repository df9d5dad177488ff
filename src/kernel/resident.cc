#include "kernel/resident.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/fd.h"
#include "libkernel/futex.h"

namespace sandstone::kernel {

using libkernel::futex_wait;
using libkernel::futex_wake;
using libkernel::shared_word;

uint64_t anonymous_memory_of(uint32_t pid) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%u/status", pid);
  const Fd file(::open(path, O_RDONLY | O_CLOEXEC));
  char text[4096];
  const ssize_t size = file.valid() ? ::read(file.get(), text, sizeof text - 1) : 0;
  text[std::max<ssize_t>(size, 0)] = '\0';
  const char* line = std::strstr(text, "\nRssAnon:");
  return line == nullptr ? 0 : std::strtoull(line + 9, nullptr, 10) << 10;
}

Resident::Resident(const lib_header& header) : question_(header.shared->question) {
  shared_word(question_.listens) = 1;
}

void Resident::run() {
  constexpr uint64_t kPage = 4096;
  for (uint32_t answered = 0;;) {
    const uint32_t asked = shared_word(question_.asked);
    if (asked == answered) {
      futex_wait(question_.asked, asked);
      continue;
    }
    const uint64_t pages = anonymous_memory_of(shared_word(question_.pid)) / kPage;
    std::atomic_ref<lib_u64>(question_.pages) = pages;
    shared_word(question_.answered) = answered = asked;
    futex_wake(question_.answered);
  }
}

}  // namespace sandstone::kernel
