// The clone that makes the jail's child: with a copy of the caller's memory, or in that memory itself.
#pragma once

#include <sandstone/result.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace sandstone::jail {

struct CloneArgs {  // struct clone_args up to `cgroup`
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
      cgroup;
};

inline constexpr uint64_t kClearSignalHandlers = 0x100000000;  // CLONE_CLEAR_SIGHAND
inline constexpr uint64_t kIntoCgroup = 0x200000000;           // CLONE_INTO_CGROUP

// Copying the memory and then each page that either side writes costs a twentieth of a start, so a child that
// runs another program at once does without, as posix_spawn(3) does. It makes system calls only and touches
// nothing but what it was given. False where that is not enough:
// - with other threads, whose fork or dumpable flag would meet a half-made child;
// - in a control group of its own, where running out of memory kills all who share it, us among them;
// - before Linux 6.1, which enters a time namespace by fork only;
// - under the sanitizers, whose bookkeeping knows one stack a thread.
[[nodiscard]] bool may_share_memory(bool into_control_group);

// A stack for a child that shares our memory. Below it lies a page that ends the child before it writes over
// ours.
class ChildStack {
 public:
  ChildStack() = default;
  ChildStack(const ChildStack&) = delete;
  ChildStack& operator=(const ChildStack&) = delete;
  ~ChildStack();

  Result<void> make();
  [[nodiscard]] uint64_t bottom() const { return reinterpret_cast<uint64_t>(bottom_); }
  static constexpr size_t kSize = 256 << 10;

 private:
  void* bottom_ = nullptr;
};

// clone3(2), or clone(2) where a filter around us says that there is no clone3: then `args.flags` have lost
// the two flags above, and the caller has to see to the control group. The pid or -errno. The child calls
// `entry`, which does not return, with `argument`; on the stack of `args` if it has one, which goes with
// CLONE_VM. Everything that the child reads then has to live until it runs another program.
long clone_child(CloneArgs& args, void (*entry)(void* argument), void* argument);

}  // namespace sandstone::jail
