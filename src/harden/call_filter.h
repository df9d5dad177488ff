// The system calls that a process of ours is left with: all others fail with EPERM. By libseccomp.
#pragma once

#include <sandstone/result.h>
#include <seccomp.h>

#include <initializer_list>
#include <memory>
#include <span>
#include <string>

namespace sandstone::harden {

class CallFilter {
 public:
  CallFilter();

  void allow(std::span<const int> calls);
  // If all of `when` hold.
  void allow(int call, std::initializer_list<scmp_arg_cmp> when);
  // fcntl(2), for these commands.
  void allow_fcntl(std::initializer_list<int> commands);
  // mmap(2) and mprotect(2), but nothing becomes code.
  void allow_memory();

  // From here on, for this thread and those that it makes. Does nothing under a sanitizer, whose run-time
  // makes calls of its own.
  Result<void> load(const std::string& who);

 private:
  std::unique_ptr<void, decltype(&::seccomp_release)> filter_;
  int status_;  // of what was allowed so far, -errno
};

}  // namespace sandstone::harden
