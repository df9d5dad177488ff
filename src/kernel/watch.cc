#include "kernel/watch.h"

#include <signal.h>
#include <time.h>

#include <atomic>
#include <cstdio>

#include "libkernel/futex.h"

namespace sandstone::kernel {
namespace {

using libkernel::shared_word;

constexpr uint64_t kSecond = 1'000'000'000;
constexpr int kSoon = 2, kLong = 15;  // looks

uint64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * kSecond + static_cast<uint64_t>(time.tv_nsec);
}

// As proc(5) has it: R, S, D, T for stopped by a signal, t by a debugger. '?': there is no such process.
char state_of(uint32_t pid) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%u/stat", pid);
  FILE* file = std::fopen(path, "re");
  if (file == nullptr) return '?';
  char state = '?';
  // The name in brackets is a program's own, and may hold anything.
  char line[256];
  const size_t size = std::fread(line, 1, sizeof line - 1, file);
  std::fclose(file);
  for (size_t at = size; at > 2; --at)
    if (line[at - 3] == ')' && line[at - 2] == ' ') {
      state = line[at - 1];
      break;
    }
  return state;
}

}  // namespace

Watch::Watch(const lib_header& header) : shared_(header.shared), carriers_(header.carriers) {}

void Watch::look() {
  const uint64_t deadline = std::atomic_ref<uint64_t>(shared_->deadline).load();
  if (deadline > now() - kSecond || deadline != overdue_ || shared_word(shared_->state) >= LIB_HALTED) {
    overdue_ = deadline;
    looks_ = 0;
    return;
  }
  const uint32_t owner = shared_word(shared_->owner);
  if (owner > 0 && owner <= LIB_MAX_CARRIERS) judge(shared_word(carriers_[owner - 1].pid));
}

// `pid` is what the guests' memory says. It is asked about and continued, no more.
void Watch::judge(uint32_t pid) {
  ++looks_;
  const char state = state_of(pid);
  if (state == 'T' && looks_ >= kSoon && ::kill(static_cast<pid_t>(pid), SIGCONT) == 0) {
    std::fprintf(
        stderr, "sandstone: process %u was stopped while it ran the library kernel, and has been continued\n",
        pid);
    looks_ = 0;
  }
  if (looks_ == kLong && state != 't' && state != '?')
    std::fprintf(stderr,
                 "sandstone: process %u has been running the library kernel for %d s without a pause\n", pid,
                 kLong);
}

}  // namespace sandstone::kernel
