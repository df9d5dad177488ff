// What a process of ours gives up before it reads what a stranger wrote. None of it can be undone. `who`
// names the process in errors.
#pragma once

#include <sandstone/result.h>
#include <sys/resource.h>

#include <cstdint>
#include <span>
#include <string>

namespace sandstone::harden {

// Root becomes nobody, without capabilities to regain. In a user namespace that does not map nobody, root has
// no other id to become, and stays: drop_capabilities() is what counts then.
Result<void> drop_ids(const std::string& who);

// All but those of `kept` (bit n for capability n, below 32) that the process has.
Result<void> drop_capabilities(const std::string& who, uint32_t kept = 0);

// All files but what lies below the folders that are open as `readable`, which can be read; with `ports` also
// binding TCP ports, with `scopes` abstract sockets and signals outside. By Landlock, as far as this kernel
// has it.
struct Closed {
  std::span<const int> readable;
  bool ports = false;
  bool scopes = false;
};
Result<void> close_file_system(const std::string& who, const Closed& what);

// Descriptors above `last_kept`, further privileges by exec, and SIGPIPE.
Result<void> isolate(const std::string& who, int last_kept);

// Nobody of the same user may look into it, nor may it leave a core dump. Again after a change of ids, which
// resets it.
Result<void> hide(const std::string& who);

// At most that, hard and soft; what is lower stays.
Result<void> set_limit(const std::string& who, __rlimit_resource resource, rlim_t most);

}  // namespace sandstone::harden
