// What each tier costs: start-up, and system calls inside. Every round measures the bare host and all tiers
// one after the other, so that what else the machine does hits all of them alike; what counts are the ratios.
#pragma once

#include <sandstone/result.h>
#include <sandstone/run_spec.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace sandstone::probe {

struct BenchOptions {
  std::vector<Tier> tiers = {Tier::none, Tier::ns, Tier::landlock, Tier::full};
  int runs = 100;  // of a static program that does nothing, for each tier
  std::function<void(const std::string&)> progress;
};

struct StartUp {
  double median_us = 0;
  double p99_us = 0;
  double ratio = 1;  // of the medians, to the bare host
};

struct CallCost {
  double nanoseconds = 0;
  double ratio = 1;  // median over the rounds of the ratio to the bare host in the same round
};

struct BenchSubject {
  std::string name;  // "bare" or the tier's
  StartUp start_up;
  std::map<std::string, CallCost> calls;
};

struct BenchReport {
  std::string kernel;
  std::string processor;
  int caller_uid = 0;
  int runs = 0;
  std::vector<std::string> call_names;
  std::vector<BenchSubject> subjects;  // the first is the bare host
};

Result<BenchReport> benchmark(const BenchOptions& options);

// The nearest-rank percentile of at least one sample.
double percentile(std::vector<double> samples, double percent);

std::string bench_text(const BenchReport& report);
std::string bench_json(const BenchReport& report);

}  // namespace sandstone::probe
