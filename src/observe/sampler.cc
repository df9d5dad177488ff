#include "observe/sampler.h"

#include "calls/table.h"

namespace sandstone {

const char* softirq_name(size_t index) {
  constexpr const char* kNames[Stats::kSoftirqs] = {"hi",       "timer",   "net_tx", "net_rx",  "block",
                                                    "irq_poll", "tasklet", "sched",  "hrtimer", "rcu"};
  return index < Stats::kSoftirqs ? kNames[index] : "";
}

namespace observe {
namespace {

void lessen(uint64_t& later, uint64_t earlier) {
  later = later > earlier ? later - earlier : 0;
}

template <size_t size>
void lessen(std::array<uint64_t, size>& later, const std::array<uint64_t, size>& earlier) {
  for (size_t i = 0; i < size; ++i) lessen(later[i], earlier[i]);
}

}  // namespace

Stats gained(const Stats& later, const Stats& earlier) {
  Stats gained = later;
  for (auto count : {&Stats::forks, &Stats::context_switches, &Stats::interrupts})
    lessen(gained.*count, earlier.*count);
  lessen(gained.softirqs, earlier.softirqs);
  using Calls = Stats::Calls;
  for (auto count : {&Calls::imm7, &Calls::pre, &Calls::post, &Calls::rel8, &Calls::trapped, &Calls::notified,
                     &Calls::library, &Calls::host, &Calls::both, &Calls::refused})
    lessen(gained.calls.*count, earlier.calls.*count);
  lessen(gained.calls.by_number, earlier.calls.by_number);
  lessen(gained.calls.enosys, earlier.calls.enosys);
  return gained;
}

void count_routes(Stats& stats) {
  Stats::Calls& calls = stats.calls;
  calls.library = calls.host = calls.both = calls.refused = 0;
  for (size_t number = 0; number < Stats::Calls::kNumbers; ++number) {
    const calls::Call* call = calls::find(number);
    const calls::Route route = call == nullptr ? calls::Route::refused : call->route;
    uint64_t& to = route == calls::Route::library ? calls.library
                   : route == calls::Route::host  ? calls.host
                   : route == calls::Route::both  ? calls.both
                                                  : calls.refused;
    to += calls.by_number[number];
  }
}

std::optional<Sample> Sampler::sample() {
  Sample sample{};
  if (!read_(sample.stats)) return std::nullopt;
  sample.gained = gained(sample.stats, last_);
  const uint64_t passed = sample.stats.time_ns > last_.time_ns ? sample.stats.time_ns - last_.time_ns : 0;
  sample.seconds = static_cast<double>(passed) / 1e9;
  last_ = sample.stats;
  return sample;
}

}  // namespace observe
}  // namespace sandstone
