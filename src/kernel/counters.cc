#include "kernel/counters.h"

#include <dirent.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>

#include "kernel/resident.h"
#include "observe/stats_text.h"
#include "runtime/runtime.h"

namespace sandstone::kernel {
namespace {

using runtime::Counts;

void* pointer(uint64_t address) {
  return reinterpret_cast<void*>(address);  // NOLINT: the addresses are fixed numbers
}

template <typename Word>
Word load(const Word& word) {
  return __atomic_load_n(&word, __ATOMIC_RELAXED);
}

uint64_t monotonic() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

// A copy of what the library kernel has filled in; torn if somebody writes there all the time, which only a
// guest does.
lib_counters copy_of(const lib_counters& from) {
  static_assert(sizeof(lib_counters) % sizeof(uint64_t) == 0);
  lib_counters copy;
  for (int tries = 0; tries < 100; ++tries) {
    const uint32_t before = __atomic_load_n(&from.sequence, __ATOMIC_ACQUIRE);
    for (size_t at = 0; at < sizeof copy; at += sizeof(uint64_t)) {
      const auto* word = reinterpret_cast<const uint64_t*>(reinterpret_cast<const char*>(&from) + at);
      const uint64_t value = load(*word);
      std::memcpy(reinterpret_cast<char*>(&copy) + at, &value, sizeof value);
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (before % 2 == 0 && load(from.sequence) == before) break;
    ::usleep(10);
  }
  return copy;
}

void add_counts(Stats::Calls& to, const Counts& from) {
  uint64_t* const entries[] = {&to.imm7, &to.pre, &to.post, &to.rel8, &to.trapped, &to.notified};
  for (size_t i = 0; i < std::size(entries); ++i) *entries[i] += load(from.entries[i]);
  static_assert(Counts::kNumbers == Stats::Calls::kNumbers);
  for (size_t i = 0; i < Counts::kNumbers; ++i) {
    to.by_number[i] += load(from.calls[i]);
    to.enosys[i] += load(from.enosys[i]);
  }
}

}  // namespace

Result<void> Counters::map() {
  void* at = ::mmap(pointer(runtime::kCountsInUse), runtime::kCountsSize, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
  if (at != pointer(runtime::kCountsInUse)) return system_error("--stats", "cannot map its counts", errno);
  return {};
}

bool Counters::read_kernels(Stats& stats) {
  const uint32_t before = load(counters_->sequence);
  if (asks_ && load(shared_->state) == LIB_READY) {  // before, it has nothing that could answer
    interrupt_(LIB_INTERRUPT_COUNT);
    constexpr int kPatience = 50;  // ms; one function of the kernel's may take longer
    for (int waited = 0; waited < kPatience * 10; ++waited) {
      const uint32_t now = load(counters_->sequence);
      if (now != before && now % 2 == 0) break;
      ::usleep(100);
    }
  }
  const lib_counters from = copy_of(*counters_);
  if (from.sequence == 0) return false;
  stats.time_ns = monotonic() - from.started;
  stats.kernel_time_ns = from.time - from.started;
  stats.processes = from.processes;
  stats.threads = from.threads;
  stats.runnable = from.runnable;
  stats.descriptors = from.descriptors;
  for (size_t i = 0; i < stats.load.size(); ++i) stats.load[i] = static_cast<double>(from.load[i]) / 2048;
  stats.memory = {from.memory_total,     from.memory_free,
                  from.memory_available, from.page_cache,
                  from.page_cache_dirty, from.shared,
                  from.slab_reclaimable, from.slab_unreclaimable,
                  from.kernel_stacks,    0};
  stats.forks = from.forks;
  stats.context_switches = from.context_switches;
  stats.interrupts = from.interrupts;
  static_assert(sizeof from.softirqs == sizeof stats.softirqs);
  std::copy(std::begin(from.softirqs), std::end(from.softirqs), stats.softirqs.begin());
  return true;
}

uint64_t Counters::anonymous_memory() const {
  uint64_t sum = 0;
  const std::unique_ptr<DIR, int (*)(DIR*)> processes(::opendir("/proc"), ::closedir);
  if (processes == nullptr) return 0;
  while (const dirent* entry = ::readdir(processes.get())) {
    const auto pid = static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10));
    if (pid > 1 && pid != ::getpid() && pid != kernel_)
      sum += anonymous_memory_of(static_cast<uint32_t>(pid));
  }
  return sum;
}

bool Counters::read(Stats& stats) {
  stats = {};
  if (!read_kernels(stats)) return false;
  const uint32_t used =
      std::min<uint32_t>(load(*static_cast<uint32_t*>(pointer(runtime::kCountsInUse))), LIB_MAX_CARRIERS);
  for (uint32_t slot = 0; slot < used; ++slot)
    add_counts(stats.calls, *static_cast<Counts*>(pointer(runtime::kCounts + slot * runtime::kCountsStride)));
  observe::count_routes(stats);
  stats.memory.anonymous = anonymous_memory();
  return true;
}

StatsWriter::StatsWriter(Counters& counters, int last_fd, int lines_fd, std::chrono::milliseconds interval)
    : counters_(counters),
      sampler_([this](Stats& stats) { return counters_.read(stats); }),
      last_fd_(last_fd),
      lines_fd_(lines_fd),
      interval_(interval),
      thread_([this] { run(); }) {}

StatsWriter::~StatsWriter() {
  stop_ = true;
  thread_.join();
  write();
}

void StatsWriter::run() {
  using std::chrono::steady_clock;
  constexpr auto kLook = std::chrono::milliseconds(20);
  auto next = steady_clock::now() + interval_;
  while (!stop_) {
    std::this_thread::sleep_for(std::min<steady_clock::duration>(kLook, interval_));
    if (steady_clock::now() < next) continue;
    write();
    next = std::max(next + interval_, steady_clock::now());
  }
}

void StatsWriter::write() {
  const auto sample = sampler_.sample();
  if (!sample) return;
  if (last_fd_ >= 0 && ::pwrite(last_fd_, &sample->stats, sizeof sample->stats, 0) < 0) last_fd_ = -1;
  if (lines_fd_ < 0) return;
  const std::string line = observe::stats_json(*sample) + "\n";
  for (size_t at = 0; at < line.size();) {
    const ssize_t put = ::write(lines_fd_, line.data() + at, line.size() - at);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      lines_fd_ = -1;  // a full disk or a closed pipe ends the lines, not the run
      return;
    }
    at += static_cast<size_t>(put);
  }
}

}  // namespace sandstone::kernel
