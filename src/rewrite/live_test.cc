// Rewrites the C library of a running process, and then makes it work.
//
// The dispatcher makes the real call, on the caller's stack below the red zone, and counts. Calls that come
// back on another stack, or twice, are made where they came from: at rcx - 2 there is always a `syscall` for
// them.
#include <gtest/gtest.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "rewrite/elf.h"
#include "rewrite/live_work.h"
#include "rewrite/rewrite.h"

extern "C" uint64_t rewrite_live_calls;
extern "C" void rewrite_live_entry();
asm(R"(
  .text
  .type rewrite_live_entry, @function
rewrite_live_entry:
  lock incq rewrite_live_calls(%rip)
  cmp $56, %eax   # clone
  je 1f
  cmp $57, %eax   # fork
  je 1f
  cmp $58, %eax   # vfork
  je 1f
  cmp $435, %eax  # clone3
  je 1f
  lea -128(%rsp), %rsp
  push %rcx
  syscall
  pop %rcx
  lea 128(%rsp), %rsp
  jmp *%rcx
1:
  sub $2, %rcx
  jmp *%rcx
)");
uint64_t rewrite_live_calls = 0;

namespace sandstone::rewrite {
namespace {

constexpr size_t kRoom = 1 << 20;

struct Library {
  std::string path;
  std::byte* base = nullptr;
};

std::byte* start_of(const dl_phdr_info& library) {
  return reinterpret_cast<std::byte*>(library.dlpi_addr);  // NOLINT: it is how the loader has it
}

Library find_libc() {
  Library libc;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* to) {
        if (std::strstr(info->dlpi_name, "/libc.so.6") != nullptr)
          *static_cast<Library*>(to) = {info->dlpi_name, start_of(*info)};
        return 0;
      },
      &libc);
  return libc;
}

// Maps room for trampolines as near to `text` as can be; null if nothing near is free.
std::byte* map_near(std::byte* text, size_t size) {
  for (int64_t distance = 16 << 20; distance < 1 << 30; distance += 16 << 20)
    for (std::byte* at : {text - distance, text + size + distance}) {
      std::byte* page = at - reinterpret_cast<uintptr_t>(at) % 4096;
      void* map = ::mmap(page, kRoom, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
      if (map != MAP_FAILED) return static_cast<std::byte*>(map);
    }
  return nullptr;
}

// Gives how many sites it patched.
size_t patch_libc() {
  const Library libc = find_libc();
  std::ifstream in(libc.path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(in), {}};
  size_t patched = 0;
  for (const CodeSegment& segment : code_segments(std::as_bytes(std::span(content)))) {
    std::byte* text = libc.base + segment.address;
    std::byte* trampolines = map_near(text, segment.size);
    if (trampolines == nullptr) return 0;
    const Result result = rewrite({.text = {text, segment.size},
                                   .address = segment.address,
                                   .trampolines = trampolines - text,
                                   .capacity = kRoom,
                                   .entry = reinterpret_cast<uint64_t>(&rewrite_live_entry),
                                   .starts = segment.starts,
                                   .landings = segment.landings});
    std::memcpy(trampolines, result.trampolines.data(), result.trampolines.size());
    if (::mprotect(trampolines, kRoom, PROT_READ | PROT_EXEC) != 0) return 0;
    if (::mprotect(text, segment.size, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) return 0;
    for (size_t i = 0; i < segment.size; ++i)
      if (text[i] != result.text[i]) text[i] = result.text[i];
    if (::mprotect(text, segment.size, PROT_READ | PROT_EXEC) != 0) return 0;
    for (const Site& site : result.sites) patched += site.form != Form::none;
  }
  return patched;
}

// Runs `work` in a process with a patched libc; 0 if all went well. `work` gives the line that failed, or 0.
int in_patched_process(int (*work)(), uint64_t least_calls) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    if (patch_libc() < 400) ::_exit(2);
    rewrite_live_calls = 0;
    if (const int line = work()) {
      std::fprintf(stderr, "live_work_test.cc:%d failed: %s\n", line, std::strerror(errno));
      ::_exit(3);
    }
    ::_exit(rewrite_live_calls >= least_calls ? 0 : 4);
  }
  int status = -1;
  if (::waitpid(child, &status, 0) != child) return -1;
  return status;
}

TEST(RewriteLive, Files) {
  EXPECT_EQ(in_patched_process(work_on_files, 300), 0);
}
TEST(RewriteLive, Memory) {
  EXPECT_EQ(in_patched_process(work_on_memory, 3), 0);
}
TEST(RewriteLive, Threads) {
  EXPECT_EQ(in_patched_process(work_with_threads, 1000), 0);
}
#ifndef __SANITIZE_ADDRESS__  // which takes a cancelled thread's stack for overrun, patched or not
TEST(RewriteLive, CancelledThreads) {
  EXPECT_EQ(in_patched_process(work_with_cancellation, 10), 0);
}
#endif
TEST(RewriteLive, Processes) {
  EXPECT_EQ(in_patched_process(work_with_processes, 50), 0);
}
TEST(RewriteLive, Signals) {
  EXPECT_EQ(in_patched_process(work_with_signals, 50), 0);
}

}  // namespace
}  // namespace sandstone::rewrite
