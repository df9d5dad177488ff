#include "kernel/workload.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <type_traits>

namespace sandstone::kernel {

Result<Fd> make_stats_file() {
  Fd file(::memfd_create("stats", MFD_CLOEXEC));
  if (!file.valid()) return system_error("--stats", "memfd_create", errno);
  return file;
}

void CountedWorkload::on_ready(const pollfd& ready, engine::Recorder& recorder) {
  inner_->on_ready(ready, recorder);
  if (ending_ || !inner_->ending()) return;
  ending_ = inner_->ending();
  // Any bytes are a Stats: numbers of which none is trusted.
  static_assert(std::is_trivially_copyable_v<Stats>);
  Stats last;
  if (::pread(stats_.get(), &last, sizeof last, 0) == sizeof last) ending_->stats = last;
}

}  // namespace sandstone::kernel
