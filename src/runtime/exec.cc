// exec's other half: the program is mapped and started here, after the library kernel has done its own.

#include <elf.h>

#include "runtime/dispatch.h"
#include "runtime/memory.h"
#include "runtime/signal.h"
#include "runtime/vectors.h"

namespace sandstone::runtime {

extern "C" [[noreturn]] void rt_go_to(uint64_t* registers);

namespace {

constexpr uint64_t kFixed = 0x10, kPrivate = 2, kAnonymous = 0x20, kNoReserve = 0x4000, kStackFlag = 0x20000,
                   kFixedNoReplace = 0x100000;
constexpr uint64_t kReadWrite = 3;
constexpr uint64_t kLeastStack = 256 << 10, kMostStack = 1 << 30;
constexpr uint64_t kStackGuard = 1 << 20;    // as Linux has it
constexpr uint64_t kPlace = 0x555555554000;  // of a program that may be anywhere, as Linux has it
constexpr int kSigSegv = 11;
constexpr unsigned kMostSegments = 64;

bool failed(long result) {
  return result < 0 && result > -4096;
}

struct Program {
  uint64_t base = 0, entry = 0, headers = 0, end = 0, heap = 0;
  uint16_t segments = 0;
  char interpreter[256] = {};
};

struct Loaded {
  Elf64_Ehdr header;
  Elf64_Phdr segments[kMostSegments];
};

bool read_at(Thread* thread, long fd, void* to, uint64_t size, uint64_t offset) {
  return library(thread, SYS_pread64, static_cast<uint64_t>(fd), reinterpret_cast<uint64_t>(to), size,
                 offset) == static_cast<long>(size);
}

bool read_headers(Thread* thread, long fd, Loaded& file) {
  return read_at(thread, fd, &file.header, sizeof file.header, 0) &&
         file.header.e_phentsize == sizeof(Elf64_Phdr) && file.header.e_phnum > 0 &&
         file.header.e_phnum <= kMostSegments &&
         read_at(thread, fd, file.segments, file.header.e_phnum * sizeof(Elf64_Phdr), file.header.e_phoff);
}

uint64_t protection_of(const Elf64_Phdr& segment) {
  return ((segment.p_flags & PF_R) != 0 ? 1U : 0U) | ((segment.p_flags & PF_W) != 0 ? 2U : 0U) |
         ((segment.p_flags & PF_X) != 0 ? 4U : 0U);
}

// One PT_LOAD: its part of the file, then memory of zeros up to its size.
bool map_segment(Thread* thread, long fd, const Elf64_Phdr& segment, uint64_t base) {
  const uint64_t start = base + segment.p_vaddr;
  const uint64_t file_end = start + segment.p_filesz, end = start + segment.p_memsz;
  const uint64_t page = page_down(start), protection = protection_of(segment);
  uint64_t mapped = page;
  if (segment.p_filesz > 0) {
    const uint64_t size = page_up(file_end) - page;
    if (failed(map(thread, page, size, protection, kPrivate | kFixed, static_cast<uint64_t>(fd),
                   segment.p_offset - (start - page))))
      return false;
    mapped = page + size;
    if (segment.p_memsz > segment.p_filesz && mapped > file_end && (protection & 2) != 0) {
      static const uint8_t zeros[kPage] = {};
      if (!guarded_copy(pointer(file_end), zeros, mapped - file_end)) return false;
    }
  }
  if (page_up(end) > mapped && failed(map(thread, mapped, page_up(end) - mapped, protection,
                                          kPrivate | kFixed | kAnonymous, ~uint64_t{0}, 0)))
    return false;
  return true;
}

// `hint` is where a program goes that may be anywhere; 0: where there is room.
bool load(Thread* thread, long fd, uint64_t hint, Program& program) {
  Loaded file;
  if (!read_headers(thread, fd, file)) return false;
  uint64_t low = ~uint64_t{0}, high = 0;
  for (unsigned i = 0; i < file.header.e_phnum; ++i) {
    const Elf64_Phdr& segment = file.segments[i];
    if (segment.p_type == PT_INTERP) {
      if (segment.p_filesz == 0 || segment.p_filesz > sizeof program.interpreter ||
          !read_at(thread, fd, program.interpreter, segment.p_filesz, segment.p_offset))
        return false;
      program.interpreter[sizeof program.interpreter - 1] = '\0';
    }
    if (segment.p_type != PT_LOAD) continue;
    if (segment.p_filesz > segment.p_memsz || segment.p_vaddr + segment.p_memsz < segment.p_vaddr)
      return false;
    if (page_down(segment.p_vaddr) < low) low = page_down(segment.p_vaddr);
    if (segment.p_vaddr + segment.p_memsz > high) high = segment.p_vaddr + segment.p_memsz;
  }
  if (low > high) return false;
  uint64_t base = 0;
  const uint64_t span = page_up(high) - low;
  if (file.header.e_type == ET_DYN) {
    const long place = map(thread, program.interpreter[0] != '\0' ? hint : 0, span, 0,
                           kPrivate | kAnonymous | kNoReserve, ~uint64_t{0}, 0);
    if (failed(place)) return false;
    base = static_cast<uint64_t>(place) - low;
  }
  for (unsigned i = 0; i < file.header.e_phnum; ++i) {
    const Elf64_Phdr& segment = file.segments[i];
    if (segment.p_type == PT_LOAD && !map_segment(thread, fd, segment, base)) return false;
    if (segment.p_type == PT_LOAD && file.header.e_phoff >= segment.p_offset &&
        file.header.e_phoff < segment.p_offset + segment.p_filesz)
      program.headers = base + segment.p_vaddr + (file.header.e_phoff - segment.p_offset);
    if (segment.p_type == PT_PHDR) program.headers = base + segment.p_vaddr;
  }
  program.base = base;
  program.entry = base + file.header.e_entry;
  program.segments = file.header.e_phnum;
  program.end = base + high;
  return true;
}

// All that it may become: it does not grow, so what is not used of it only takes addresses.
uint64_t stack_size(Thread* thread) {
  uint64_t limit[2] = {};
  library(thread, SYS_prlimit64, 0, 3 /* RLIMIT_STACK */, 0, reinterpret_cast<uint64_t>(limit));
  return limit[0] < kLeastStack ? kLeastStack : limit[0] > kMostStack ? kMostStack : page_up(limit[0]);
}

// The end of a new stack, or 0. The host places what has no address from the top down, at the same place in
// all processes of a sandbox: so above the stack a hole of random size is left, which moves down all else as well, the
// interpreter, libraries and what is mapped later. Nothing can be below the stack either, or one that overflows would
// run into the data of what is mapped next. Without either the program does not start.
uint64_t place_stack(Thread* thread, const lib_exec& left) {
  constexpr uint64_t nothing = kPrivate | kAnonymous | kNoReserve;
  if (left.move_mappings > 0 &&
      failed(host(SYS_mmap, 0, static_cast<long>(left.move_mappings), 0, nothing, -1, 0)))
    return 0;
  const uint64_t size = stack_size(thread) + page_up(left.strings_size);
  const long place = map(thread, 0, size, kReadWrite, nothing | kStackFlag, ~uint64_t{0}, 0);
  if (failed(place)) return 0;
  const long guard = place - static_cast<long>(kStackGuard);
  if (failed(host(SYS_mmap, guard, static_cast<long>(kStackGuard), 0, nothing | kFixedNoReplace, -1, 0)))
    return 0;
  return static_cast<uint64_t>(place) + size;
}

// The words at the start of the stack, from its end down: strings, random bytes, auxiliary vector, environment,
// arguments.
uint64_t build_stack(Thread* thread, const lib_exec& left, const Program& program, uint64_t interpreter_base,
                     uint64_t stack_end) {
  uint64_t at = stack_end - 16;
  const uint64_t strings = (at - left.strings_size) & ~uint64_t{15};
  if (library(thread, LIB_CALL_EXEC, 0, strings, left.strings_size, program.heap) < 0) return 0;
  at = strings - 32;
  const uint64_t random = at, platform = at + 16;
  library(thread, SYS_getrandom, random, 16, 1 /* GRND_NONBLOCK */);
  memcpy(pointer(platform), "x86_64", 7);

  const uint64_t words = 1 + left.argc + 1 + left.envc + 1 + 2 * 22;
  uint64_t* stack = pointer<uint64_t>((at - words * 8) & ~uint64_t{15});
  uint64_t* to = stack;
  *to++ = left.argc;
  const char* string = pointer<const char>(strings);
  const char* end = string + left.strings_size;
  const auto next = [&] {
    while (string < end && *string != '\0') ++string;
    ++string;
  };
  for (uint32_t i = 0; i < left.argc; ++i, next()) *to++ = reinterpret_cast<uint64_t>(string);
  *to++ = 0;
  for (uint32_t i = 0; i < left.envc; ++i, next()) *to++ = reinterpret_cast<uint64_t>(string);
  *to++ = 0;
  const uint64_t auxiliary[][2] = {{AT_SYSINFO_EHDR, boot.vdso},
                                   {AT_HWCAP, boot.hwcap},
                                   {AT_PAGESZ, kPage},
                                   {AT_CLKTCK, boot.clock_ticks},
                                   {AT_PHDR, program.headers},
                                   {AT_PHENT, sizeof(Elf64_Phdr)},
                                   {AT_PHNUM, program.segments},
                                   {AT_BASE, interpreter_base},
                                   {AT_FLAGS, 0},
                                   {AT_ENTRY, program.entry},
                                   {AT_UID, left.uid},
                                   {AT_EUID, left.euid},
                                   {AT_GID, left.gid},
                                   {AT_EGID, left.egid},
                                   {AT_SECURE, left.secure},
                                   {AT_RANDOM, random},
                                   {AT_HWCAP2, boot.hwcap2},
                                   {AT_EXECFN, reinterpret_cast<uint64_t>(string)},
                                   {AT_PLATFORM, platform},
                                   {51 /* AT_MINSIGSTKSZ */, boot.minimum_signal_stack},
                                   {AT_NULL, 0}};
  static_assert(sizeof auxiliary / sizeof auxiliary[0] <= 22);
  for (const auto& entry : auxiliary) {
    *to++ = entry[0];
    *to++ = entry[1];
  }
  return reinterpret_cast<uint64_t>(stack);
}

// After the library kernel's exec: there is no way back, and a failure ends the process.
bool start_program(Thread* thread, Context& context) {
  lib_exec left{};
  if (library(thread, LIB_CALL_EXEC, reinterpret_cast<uint64_t>(&left)) < 0) return false;
  if (thread->shares_memory || memory_shared) {
    // What is dropped below is not ours alone.
    if (!move_out(thread)) return false;
  } else {
    // The other threads' tasks are gone; none of them may see the new program's memory.
    for (;;) {
      const uint32_t alive = __atomic_load_n(&threads_alive, __ATOMIC_ACQUIRE);
      if (alive <= 1) break;
      host(SYS_futex, word(&threads_alive), 0 /* FUTEX_WAIT */, alive);
    }
  }
  forget_all();
  memory_lock.reset();
  if (Thread* parent = thread->vfork_parent; parent != nullptr) {
    thread->vfork_parent = nullptr;
    __atomic_store_n(&parent->vfork_done, 1, __ATOMIC_RELEASE);
    host(SYS_futex, word(&parent->vfork_done), 1 /* FUTEX_WAKE */, 1);
  }
  forget_alternate_stack(thread);
  thread->robust_list = 0;
  thread->stepping = false;
  host(SYS_set_tid_address, 0);

  Program program;
  const uint64_t stack_end = place_stack(thread, left);
  if (stack_end == 0 || !load(thread, left.fd, kPlace + left.move_program, program)) return false;
  library(thread, SYS_close, static_cast<uint64_t>(left.fd));
  program.heap = page_up(program.end) + left.move_heap;
  start_break(program.heap);
  Program interpreter;
  interpreter.entry = program.entry;
  if (program.interpreter[0] != '\0') {
    const long fd = library(thread, SYS_openat, static_cast<uint64_t>(-100),
                            reinterpret_cast<uint64_t>(program.interpreter), 0x80000 /* O_CLOEXEC */);
    if (fd < 0 || !load(thread, fd, 0, interpreter)) return false;
    library(thread, SYS_close, static_cast<uint64_t>(fd));
  }
  const uint64_t stack = build_stack(thread, left, program, interpreter.base, stack_end);
  if (stack == 0) return false;
  if ((boot.hwcap2 & 2) != 0)
    asm volatile("wrfsbase %0" : : "r"(uint64_t{0}));
  else
    host(SYS_arch_prctl, 0x1002, 0);
  for (int i = R8; i <= RSP; ++i) context.r[i] = 0;
  context.r[RSP] = stack;
  context.r[RIP] = interpreter.entry;
  context.r[FLAGS] = 0x202;
  reset_vector_state(context);
  return true;
}

}  // namespace

void execute(Thread* thread, Context& context, uint64_t number) {
  const uint64_t* r = context.r;
  const long result = library(thread, number, r[RDI], r[RSI], r[RDX], r[R10], r[R8]);
  if (thread->carrier->status == LIB_EXITED || result < 0) return settle(thread, context, kNoRestart, result);
  if (!start_program(thread, context)) return die(thread, kSigSegv);
  settle(thread, context, kNoRestart, 0);
}

long first_program(Thread* thread, Context& context, const Start& start) {
  long first_error = -2;  // ENOENT
  for (const char* const* path = start.paths; *path != nullptr; ++path) {
    const long result =
        library(thread, SYS_execve, reinterpret_cast<uint64_t>(*path),
                reinterpret_cast<uint64_t>(start.arguments), reinterpret_cast<uint64_t>(start.environment));
    if (result == 0) {
      if (!start_program(thread, context)) die(thread, kSigSegv);
      return 0;
    }
    if (result == -kEacces)
      first_error = result;
    else if (result != -2 && result != -20)
      return result;
  }
  return first_error;
}

}  // namespace sandstone::runtime
