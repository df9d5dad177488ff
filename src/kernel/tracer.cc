#include "kernel/tracer.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.h"
#include "observe/format.h"
#include "runtime/runtime.h"

namespace sandstone::kernel {
namespace {

void* pointer(uint64_t address) {
  return reinterpret_cast<void*>(address);  // NOLINT: the addresses are fixed numbers
}

constexpr size_t kMostWaiting = 128 << 10;  // records, of a third of a KiB
constexpr useconds_t kPause = 1000, kShortPause = 200;

}  // namespace

Result<void> Tracer::map_rings() {
  void* at = ::mmap(pointer(runtime::kRingsInUse), runtime::kRingsSize, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
  if (at != pointer(runtime::kRingsInUse)) return system_error("--trace", "cannot map its rings", errno);
  return {};
}

Tracer::Tracer(int fd, bool json)
    : fd_(fd), json_(json), writer_([this] { write_all(); }), gatherer_([this] { gather(); }) {}

Tracer::~Tracer() {
  stop_ = true;
  gatherer_.join();
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_one();
  writer_.join();
  if (dropped_ > 0)
    write(json_ ? fmt::format("{{\"dropped\":{}}}\n", dropped_)
                : fmt::format("# {} calls came faster than they could be written\n", dropped_));
}

void Tracer::gather() {
  Records batch;
  while (!stop_) {
    const bool some = drain(batch);
    hand_over(batch);
    ::usleep(some ? kShortPause : kPause);
  }
  while (drain(batch)) hand_over(batch);
}

// What there is, and no more than that: who writes without end must not keep us here.
bool Tracer::drain(Records& batch) {
  const uint32_t used = std::min<uint32_t>(
      __atomic_load_n(static_cast<uint32_t*>(pointer(runtime::kRingsInUse)), __ATOMIC_ACQUIRE),
      LIB_MAX_CARRIERS);
  while (readers_.size() < used)
    readers_.emplace_back(pointer(runtime::kRings + readers_.size() * runtime::kRingStride),
                          runtime::kRingCapacity);
  constexpr size_t kMostOfOne = runtime::kRingCapacity / observe::kSmallestEntry;
  for (auto& reader : readers_) {
    observe::Record record;
    for (size_t i = 0; i < kMostOfOne && reader.pop(record); ++i) batch.push_back(record);
    dropped_ += reader.take_dropped();
  }
  std::stable_sort(batch.begin(), batch.end(), [](const auto& a, const auto& b) { return a.time < b.time; });
  return !batch.empty();
}

void Tracer::hand_over(Records& batch) {
  if (batch.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    const size_t fits = std::min(batch.size(), kMostWaiting - std::min(waiting_.size(), kMostWaiting));
    waiting_.insert(waiting_.end(), batch.begin(), batch.begin() + static_cast<ptrdiff_t>(fits));
    dropped_ += batch.size() - fits;
  }
  changed_.notify_one();
  batch.clear();
}

void Tracer::write_all() {
  // Beside a program that has something to do, later.
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 10);
  Records records;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      records.swap(waiting_);
    }
    write(records);
    records.clear();
  }
}

void Tracer::write(const Records& records) const {
  constexpr size_t kAtOnce = 64 << 10;
  std::string text;
  for (const auto& record : records) {
    text += json_ ? observe::format_json(record)
                  : observe::format_text(record,
                                         {.pid = true, .time = true, .duration = true, .disposition = true});
    text += '\n';
    if (text.size() < kAtOnce) continue;
    write(text);
    text.clear();
  }
  write(text);
}

void Tracer::write(const std::string& text) const {
  for (size_t at = 0; at < text.size();) {
    const ssize_t put = ::write(fd_, text.data() + at, text.size() - at);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;  // a full disk or a closed pipe ends the trace, not the run
    at += static_cast<size_t>(put);
  }
}

}  // namespace sandstone::kernel
