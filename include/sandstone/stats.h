// Stats: what a sandbox of the tier kernel and its library kernel have done, and what there is of each at a
// moment.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace sandstone {

// Plain data of fixed size, so that it crosses processes as it is. "Counts" start at the boot of the library
// kernel and only grow; "now" is what there is at `kernel_time_ns`.
//
// Who can forge it: in the syscall modes rewrite and trap, whoever controls a guest can write to the memory
// that all but Memory::anonymous is read from. Then any value may stand here, and nothing is to be decided by
// it. In the mode unotify all of it is out of the guests' reach.
struct Stats {
  uint64_t time_ns = 0;         // since the boot, on the clock of whoever sampled
  uint64_t kernel_time_ns = 0;  // when the kernel filled in its part: earlier, if it has been busy since

  // Now.
  uint64_t processes = 0, threads = 0;  // the kernel's own process 1 counts, its kernel threads do not
  uint64_t runnable = 0;                // tasks that run or wait for the library kernel's CPU
  uint64_t descriptors = 0;             // open, of all processes
  std::array<double, 3> load{};         // averages of 1, 5 and 15 minutes

  // Now, in bytes. Of the library kernel's memory: total, and what it is used for; the parts below `total`
  // overlap as those of /proc/meminfo do.
  struct Memory {
    uint64_t total, free, available;
    uint64_t page_cache;  // files, with `shared`
    uint64_t dirty;       // of these, not yet written back
    uint64_t shared;      // files in memory (tmpfs, memfd)
    uint64_t slab_reclaimable, slab_unreclaimable;
    uint64_t kernel_stacks;
    uint64_t anonymous;  // of the host's memory: heaps, stacks and the like; a page counts for each process
                         // that maps it
  } memory{};

  // Counts.
  uint64_t forks = 0, context_switches = 0, interrupts = 0;
  static constexpr size_t kSoftirqs = 10;
  std::array<uint64_t, kSoftirqs> softirqs{};  // in the order of /proc/softirqs

  // Counts of system calls. Mode unotify: of what the library kernel was asked; what the run-time leaves to
  // the host alone (futexes, anonymous memory), or refuses, is not in it.
  struct Calls {
    // How they came: by a rewritten call site, by its form (src/rewrite/rewrite.h); by SIGSYS; by
    // notification.
    uint64_t imm7, pre, post, rel8, trapped, notified;
    // Who served them.
    uint64_t library, host, both, refused;
    static constexpr size_t kNumbers = 512;  // the last one is for all numbers from 511 on
    std::array<uint64_t, kNumbers> by_number;
    std::array<uint64_t, kNumbers> enosys;  // those that gave ENOSYS
  } calls{};

  [[nodiscard]] uint64_t patched() const { return calls.imm7 + calls.pre + calls.post + calls.rel8; }
  [[nodiscard]] uint64_t total_calls() const { return patched() + calls.trapped + calls.notified; }
  // The share of calls that did not trap, of those that might have; none if there were no such calls.
  [[nodiscard]] std::optional<double> patched_share() const {
    const uint64_t all = patched() + calls.trapped;
    if (all == 0) return std::nullopt;
    return static_cast<double>(patched()) / static_cast<double>(all);
  }
};

// "hi", "timer", …
[[nodiscard]] const char* softirq_name(size_t index);

}  // namespace sandstone
