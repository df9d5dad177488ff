#include "jail/clone.h"

#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/fd.h"
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

bool kernel_is_at_least(long major, long minor) {
  utsname names{};
  if (::uname(&names) != 0) return false;
  char* end = nullptr;
  const long first = std::strtol(names.release, &end, 10);
  const long second = *end == '.' ? std::strtol(end + 1, nullptr, 10) : 0;
  return first > major || (first == major && second >= minor);
}

constexpr size_t kGuard = 4096;

}  // namespace

bool may_share_memory(bool into_control_group) {
  return !kSanitized && !into_control_group && __libc_single_threaded != 0 && kernel_is_at_least(6, 1);
}

Result<void> ChildStack::make() {
  void* area = ::mmap(nullptr, kSize + kGuard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (area == MAP_FAILED) return system_error("clone", "no memory for a stack", errno);
  bottom_ = static_cast<char*>(area) + kGuard;
  if (::mprotect(area, kGuard, PROT_NONE) != 0) return system_error("clone", "cannot guard a stack", errno);
  return {};
}

ChildStack::~ChildStack() {
  if (bottom_ != nullptr) ::munmap(static_cast<char*>(bottom_) - kGuard, kSize + kGuard);
}

long clone_child(CloneArgs& args, void (*entry)(void* argument), void* argument) {
  if (args.stack == 0) {
    const long pid = sys::call(SYS_clone3, sys::word(&args), sizeof args);
    if (pid == 0) entry(argument);
    return pid;
  }
  // In the child nothing of this frame is there: the way to `entry` leads through registers alone.
  long result = SYS_clone3;
  register void* to asm("r8") = reinterpret_cast<void*>(entry);
  register void* with asm("r9") = argument;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %%r9, %%rdi\n\t"
      "call *%%r8\n\t"
      "ud2\n"
      "1:"
      : "+a"(result)
      : "D"(&args), "S"(sizeof args), "r"(to), "r"(with)
      : "rcx", "r11", "memory");
  return result;
}

}  // namespace sandstone::jail
