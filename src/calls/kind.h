// Kind: what an argument or a result of a system call means: how a trace captures and prints it.
//
// Freestanding: the runtime that lives in a guest's process includes this, and has no libc.
#pragma once

#include <stdint.h>

namespace sandstone::calls {

// clang-format off
enum class Kind : uint8_t {
  none,
  // Words.
  integer, natural, hex, size, offset, mode, fd, dirfd, pid, uid, gid, signal, device, clock, pointer,
  // Words that are one name of a list, or a set of flags.
  open_flags, at_flags, access_mode, protection, map_flags, remap_flags, msync_flags, advice, clone_flags,
  wait_options, whence, fcntl_command, fcntl_argument, ioctl_request, ioctl_argument, socket_domain, socket_type,
  socket_protocol, message_flags, socket_level, socket_option, shutdown_how, epoll_flags, epoll_operation,
  futex_operation, eventfd_flags, descriptor_flags, mask_how, resource, prctl_option, arch_prctl_code, timer_flags,
  interval_timer, usage_who, mount_flags, unmount_flags, rename_flags, statx_mask, xattr_flags, random_flags,
  memfd_flags, lock_operation, membarrier_command, fallocate_mode, close_range_flags, inotify_mask, splice_flags,
  id_type, sched_policy, priority_who,
  // Texts in the caller's memory that end with a zero byte; a path names a file.
  path, text,
  strings,      // char* array[], null at its end: argv
  environment,  // the same, but shown as a number of variables
  // Memory of a length that the argument `with` holds. What goes out is as long as the result, and not longer.
  bytes_in, bytes_out, dirents_out, sockaddr_in, option_in, clone_args, open_how,
  sockaddr_out, option_out,  // `with` points to the length, which comes back
  // Arrays of as many elements as the argument `with` says.
  iovec_in, iovec_out, pollfds, fd_set, messages_in, messages_out,
  epoll_events_out,  // as many as the result
  // One struct, or a fixed number.
  message_in, message_out, stat_out, statx_out, statfs_out, timespec_in, timespec_out, timespecs_in, timeval_in,
  timeval_out, timevals_in, itimerval_in, itimerval_out, itimerspec_in, itimerspec_out, rusage_out, rlimit_in,
  rlimit_out, sysinfo_out, utsname_out, tms_out, sigset_in, sigset_out, sigaction_in, sigaction_out, siginfo_in,
  siginfo_out, altstack_in, altstack_out, fd_pair_out, epoll_event_in, wait_status_out, int_out, length_inout,
  long_in, long_out,
};
// clang-format on

inline constexpr unsigned kKinds = static_cast<unsigned>(Kind::long_out) + 1;

}  // namespace sandstone::calls
