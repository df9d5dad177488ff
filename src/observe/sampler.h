// Sampler: the counters of a running sandbox, and what they have gained since the last look.
//
//   observe::Sampler sampler(read);               // read: fills a Stats; false: there is nothing to be read
//   (any more) while (auto sample = sampler.sample()) {
//     show(sample->stats.memory.page_cache);      // bytes, now
//     show(sample->rate(sample->gained.context_switches));  // a second
//   }
//
// A sample stops nobody: the library kernel fills in its part when it next passes by
// (linux/arch/lib/kernel/counters.c), everything else is read where it lies. It costs the sandbox under a
// microsecond, and the reader some for each thread and process that there is. Not for several threads at
// once. What Stats says of forged values holds here.
#pragma once

#include <sandstone/stats.h>

#include <functional>
#include <optional>

namespace sandstone::observe {

struct Sample {
  Stats stats;     // totals
  Stats gained;    // counts: since the last sample, 0 where a forged total went back; the rest as in `stats`
  double seconds;  // between the two; the first is since the boot

  [[nodiscard]] double rate(uint64_t gained_count) const {
    return seconds > 0 ? static_cast<double>(gained_count) / seconds : 0;
  }
};

class Sampler {
 public:
  using Read = std::function<bool(Stats&)>;

  // Keeps `read`, which must stay valid as long as this.
  explicit Sampler(Read read) : read_(std::move(read)) {}

  // None if there was nothing to be read; the next sample then starts from the last that there was.
  [[nodiscard]] std::optional<Sample> sample();

 private:
  Read read_;
  Stats last_;
};

// What the counts of `later` have gained over `earlier`.
[[nodiscard]] Stats gained(const Stats& later, const Stats& earlier);

// Calls::library and so on, from Calls::by_number and the table of calls.
void count_routes(Stats& stats);

}  // namespace sandstone::observe
