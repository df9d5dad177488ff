// The seccomp policy of `full`.
#pragma once

#include <linux/filter.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdint>
#include <span>
#include <string_view>

namespace sandstone::walls {

// What happens to a system call. `refuse` is reported; whoever is asked can only refuse, never allow.
struct Verdict {
  enum class Kind : uint8_t {
    allow,
    fail,
    refuse,
    check_clone,
    check_ioctl,
    check_socket,
    check_socketpair,
    check_prctl,
    check_personality,
    check_seccomp
  };
  Kind kind = Kind::fail;
  int error = 0;  // fail: errno
};

struct Rule {
  uint32_t number;
  Verdict verdict;
};

// Sorted by number. A number that is not listed fails with ENOSYS, so that the C library falls back.
std::span<const Rule> full_policy();

// The errno of a refusal that was handed to the supervisor.
constexpr int refusal_error(uint32_t number) {
  switch (number) {
    case SYS_io_uring_setup:
    case SYS_io_uring_enter:
    case SYS_io_uring_register:
      return ENOSYS;
    case SYS_socket:
    case SYS_socketpair:
      return EAFNOSUPPORT;
    case SYS_prctl:
      return EINVAL;
    default:
      return EPERM;
  }
}

// The policy as a program; with `notify`, refusals go to a listener. See seccomp_compile.h.
std::span<const sock_filter> full_filter(bool notify);

// For a program of ours that answers its children's calls: it may install a listener, the only one that there can be, and copy
// from and to their memory. Refusals fail silently. What it starts is to be held by a filter of its own.
std::span<const sock_filter> serving_filter();

// "openat", or "syscall 1234" for a number without a name.
std::string_view syscall_name(uint32_t number);

}  // namespace sandstone::walls
