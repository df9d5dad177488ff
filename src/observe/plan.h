// What of an argument's memory a trace keeps, and when: before the call or after it.
#pragma once

#include "calls/table.h"

namespace sandstone::observe {

enum class How : uint8_t {
  nothing,
  fixed,           // `most` bytes
  text,            // up to its zero byte
  sized,           // as many bytes as the argument `with` says
  resulting,       // as many as the result, and as the argument `with` at most
  length_pointed,  // as many as the 32-bit word says that the argument `with` points to
  array,           // `with` says how many elements of 8 bytes
  events,          // the result says how many elements of 12 bytes
  bits,            // `with` says how many bits
  strings,
  environment,
  vectors,
  message,
  fcntl,
  ioctl,
};

struct Plan {
  How how = How::nothing;
  bool before = false;
  bool after = false;
  uint8_t most = 0;  // bytes
};

constexpr Plan plan_for(calls::Kind kind) {
  using enum calls::Kind;
  constexpr uint8_t kText = 120;  // two paths fit into a record
  constexpr uint8_t kHead = 48;   // enough to recognise what a buffer holds
  switch (kind) {
    case path:
      return {How::text, true, false, kText};
    case text:
      return {How::text, true, false, kHead};
    case strings:
      return {How::strings, true, false, 40};
    case environment:
      return {How::environment, true, false, 4};
    case bytes_in:
      return {How::sized, true, false, kHead};
    case option_in:
      return {How::sized, true, false, 16};
    case sockaddr_in:
      return {How::sized, true, false, 112};
    case clone_args:
      return {How::sized, true, false, 88};
    case open_how:
      return {How::sized, true, false, 24};
    case bytes_out:
      return {How::resulting, false, true, kHead};
    case sockaddr_out:
      return {How::length_pointed, false, true, 112};
    case option_out:
      return {How::length_pointed, false, true, 16};
    case pollfds:
      return {How::array, false, true, 64};
    case fd_set:
      return {How::bits, true, true, 32};
    case epoll_events_out:
      return {How::events, false, true, 96};
    case iovec_in:
      return {How::vectors, true, false, kHead};
    case iovec_out:
      return {How::vectors, false, true, kHead};
    case message_in:
      return {How::message, true, false, kHead};
    case message_out:
      return {How::message, false, true, kHead};
    case fcntl_argument:
      return {How::fcntl, true, true, 32};
    case ioctl_argument:
      return {How::ioctl, true, true, 8};

    case epoll_event_in:
      return {How::fixed, true, false, 12};
    case sigset_in:
    case long_in:
      return {How::fixed, true, false, 8};
    case timespec_in:
    case timeval_in:
    case rlimit_in:
      return {How::fixed, true, false, 16};
    case altstack_in:
      return {How::fixed, true, false, 24};
    case timespecs_in:
    case timevals_in:
    case itimerval_in:
    case itimerspec_in:
    case sigaction_in:
    case siginfo_in:
      return {How::fixed, true, false, 32};

    case wait_status_out:
    case int_out:
    case length_inout:
      return {How::fixed, false, true, 4};
    case sigset_out:
    case long_out:
    case fd_pair_out:
      return {How::fixed, false, true, 8};
    case timespec_out:
    case timeval_out:
    case rlimit_out:
      return {How::fixed, false, true, 16};
    case altstack_out:
      return {How::fixed, false, true, 24};
    case itimerval_out:
    case itimerspec_out:
    case sigaction_out:
    case siginfo_out:
    case rusage_out:
    case tms_out:
      return {How::fixed, false, true, 32};
    case stat_out:
    case statx_out:
    case statfs_out:
      return {How::fixed, false, true, 56};  // to the size, and a bit
    case sysinfo_out:
      return {How::fixed, false, true, 48};
    case utsname_out:
      return {How::fixed, false, true, 195};  // system, node and release

    default:
      return {};
  }
}

// The same by number, so that a call that has nothing to keep costs one look: a bit for each argument.
struct Masks {
  uint8_t before[calls::kLastNumber + 1] = {};
  uint8_t after[calls::kLastNumber + 1] = {};
  Plan plans[calls::kKinds] = {};
};

consteval Masks compose_masks() {
  Masks masks;
  for (unsigned kind = 0; kind < calls::kKinds; ++kind)
    masks.plans[kind] = plan_for(static_cast<calls::Kind>(kind));
  for (uint32_t number = 0; number <= calls::kLastNumber; ++number) {
    const calls::Call& call = calls::kTable.calls[number];
    for (unsigned i = 0; i < call.count; ++i) {
      const Plan plan = plan_for(call.args[i].kind);
      if (plan.before) masks.before[number] |= static_cast<uint8_t>(1U << i);
      if (plan.after) masks.after[number] |= static_cast<uint8_t>(1U << i);
    }
  }
  return masks;
}

inline constexpr Masks kMasks = compose_masks();

}  // namespace sandstone::observe
