#include "kernel/tracer.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/fd.h"
#include "observe/format.h"
#include "runtime/runtime.h"

namespace sandstone::kernel {
namespace {

void* pointer(uint64_t address) {
  return reinterpret_cast<void*>(address);  // NOLINT: the addresses are fixed numbers
}

// Lines of several threads in the order of time need a few at once; a guest that writes without end must not
// keep us from it.
constexpr size_t kMostAtOnce = 4096;
constexpr useconds_t kPause = 1000;

}  // namespace

Result<void> Tracer::map_rings() {
  void* at = ::mmap(pointer(runtime::kRingsInUse), runtime::kRingsSize, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
  if (at != pointer(runtime::kRingsInUse)) return system_error("--trace", "cannot map its rings", errno);
  return {};
}

Tracer::Tracer(int fd, bool json) : fd_(fd), json_(json), thread_([this] { run(); }) {}

Tracer::~Tracer() {
  stop_ = true;
  thread_.join();
  if (dropped_ > 0)
    write(json_ ? fmt::format("{{\"dropped\":{}}}\n", dropped_)
                : fmt::format("# {} calls came faster than they could be written\n", dropped_));
}

void Tracer::run() {
  while (!stop_)
    if (!drain()) ::usleep(kPause);
  while (drain()) {
  }
}

bool Tracer::drain() {
  const uint32_t used = std::min<uint32_t>(
      __atomic_load_n(static_cast<uint32_t*>(pointer(runtime::kRingsInUse)), __ATOMIC_ACQUIRE),
      LIB_MAX_CARRIERS);
  while (readers_.size() < used)
    readers_.emplace_back(pointer(runtime::kRings + readers_.size() * runtime::kRingStride),
                          runtime::kRingCapacity);
  std::vector<observe::Record> batch;
  for (auto& reader : readers_) {
    observe::Record record;
    while (batch.size() < kMostAtOnce && reader.pop(record)) batch.push_back(record);
    dropped_ += reader.take_dropped();
  }
  if (batch.empty()) return false;
  std::stable_sort(batch.begin(), batch.end(), [](const auto& a, const auto& b) { return a.time < b.time; });
  std::string text;
  for (const auto& record : batch)
    text += (json_ ? observe::format_json(record)
                   : observe::format_text(
                         record, {.pid = true, .time = true, .duration = true, .disposition = true})) +
            "\n";
  write(text);
  return true;
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
