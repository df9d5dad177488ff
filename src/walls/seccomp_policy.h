// The seccomp policy of `full`, and the compiler that makes a BPF program of a policy.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace sandstone::walls {

// What happens to a system call. `refuse` is reported; whoever is asked can only refuse, never allow.
struct Verdict {
  enum class Kind : uint8_t { allow, fail, refuse, check_clone, check_ioctl, check_socket, check_socketpair, check_prctl,
                              check_personality, check_seccomp };
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
int refusal_error(uint32_t number);

// The program: other architectures die, a balanced tree over the numbers, argument checks at the leaves. A plain verdict
// depends on nothing but architecture and number, which is what the kernel needs to cache it in its allow bitmap.
// With `notify`, refusals go to a listener; without, they fail with refusal_error.
std::vector<sock_filter> compile(std::span<const Rule> policy, bool notify);

// "openat", or "syscall 1234" for a number without a name.
std::string_view syscall_name(uint32_t number);

}  // namespace sandstone::walls
