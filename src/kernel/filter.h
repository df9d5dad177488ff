// The host's filters around the untrusted domain: the library kernel's own process, and the guests.
#pragma once

#include <linux/filter.h>
#include <sandstone/result.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "runtime/runtime.h"

namespace sandstone::kernel {

class Filter {
 public:
  explicit Filter(std::vector<sock_filter> code)
      : code_(std::move(code)), program_{static_cast<unsigned short>(code_.size()), code_.data()} {}
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;
  [[nodiscard]] const sock_fprog* program() const { return &program_; }

 private:
  std::vector<sock_filter> code_;
  sock_fprog program_;
};

// The host's calls that the domain is left with, by number. None opens, connects, executes, traces, mounts,
// or makes namespaces: what is open is what there is. Who controls the library kernel's memory can make
// these, and no others.
std::span<const uint32_t> domain_calls();

// Allows those, some of them for certain arguments only; all others fail with ENOSYS. For every thread of the
// domain.
Filter domain_filter();

// runtime::Mode::notify. There the library kernel's process is no part of the guests' domain, and needs more
// than they have: to take their calls and to copy from and to their memory. For every thread of it, after the
// first guest's fork.
Filter serving_filter();

// The one filter of the guests then. Their own code makes no call of the host's: those that the library
// kernel serves, and that no filter further out refuses, are notifications; all others a SIGSYS to the
// run-time. The run-time's text makes those of a list that is shorter than domain_calls(), as a guest holds
// no descriptor and has nobody to signal; and notifications, by the instruction that ends at `notify_end`,
// whatever their number.
Filter notifying_filter(uint64_t notify_end);

// For a guest's process and its children, on top of it: whatever call does not come from our own text becomes
// a SIGSYS. That is how calls are told apart, and no wall: a guest may jump into our text.
Filter guest_filter();

// Puts the caller, or all threads of its process, behind `filter`. A thread that is so already must have come
// to its end.
enum class Confine { this_thread, all_threads };
Result<void> confine(const Filter& filter, Confine whom);

}  // namespace sandstone::kernel
