#include "jail/clone.h"

#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"
#include "base/kernel.h"
#include "base/sys.h"

namespace sandstone::jail {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

// Whether clone(2) can say it, but for the two flags that it does without. CLONE_NEWTIME it cannot: there the
// bit is one of the signal's.
bool fits_clone(const CloneArgs& args) {
  const uint64_t flags = args.flags & ~(kClearSignalHandlers | kIntoCgroup);
  return flags <= UINT32_MAX && (flags & CSIGNAL) == 0;
}

// The system call `nr`, clone3(2) or clone(2), in whose child nothing of this frame is there if it has a
// stack of its own: the way to `entry` leads through registers alone.
long clone_by(long nr, long a, long b, long c, long d, long e, bool own_stack, void (*entry)(void*),
              void* argument) {
  if (!own_stack) {
    const long pid = sys::call(nr, a, b, c, d, e);
    if (pid == 0) entry(argument);
    return pid;
  }
  long result = nr;
  register long third asm("rdx") = c;
  register long fourth asm("r10") = d;
  register long fifth asm("r8") = e;
  register void* to asm("r12") = reinterpret_cast<void*>(entry);
  register void* with asm("r13") = argument;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %%r13, %%rdi\n\t"
      "call *%%r12\n\t"
      "ud2\n"
      "1:"
      : "+a"(result)
      : "D"(a), "S"(b), "r"(third), "r"(fourth), "r"(fifth), "r"(to), "r"(with)
      : "rcx", "r11", "memory");
  return result;
}

constexpr size_t kGuard = 4096;

}  // namespace

bool may_share_memory(bool into_control_group) {
  return !kSanitized && !into_control_group && __libc_single_threaded != 0 && kernel_is_at_least(6, 1);
}

Result<void> ChildStack::make() {
  void* area =
      ::mmap(nullptr, kSize + kGuard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (area == MAP_FAILED) return system_error("clone", "no memory for a stack", errno);
  bottom_ = static_cast<char*>(area) + kGuard;
  if (::mprotect(area, kGuard, PROT_NONE) != 0) return system_error("clone", "cannot guard a stack", errno);
  return {};
}

ChildStack::~ChildStack() {
  if (bottom_ != nullptr) ::munmap(static_cast<char*>(bottom_) - kGuard, kSize + kGuard);
}

long clone_child(CloneArgs& args, void (*entry)(void* argument), void* argument) {
  const long pid =
      clone_by(SYS_clone3, sys::word(&args), sizeof args, 0, 0, 0, args.stack != 0, entry, argument);
  // A container's filter that cannot look behind the pointer says that there is no such call, as for a kernel
  // without it.
  if (pid != -ENOSYS || !fits_clone(args)) return pid;
  args.flags &= ~(kClearSignalHandlers | kIntoCgroup);
  const uint64_t top = args.stack != 0 ? args.stack + args.stack_size : 0;
  return clone_by(SYS_clone, static_cast<long>(args.flags | args.exit_signal), static_cast<long>(top),
                  static_cast<long>(args.pidfd), 0, 0, args.stack != 0, entry, argument);
}

}  // namespace sandstone::jail
