#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "probe/bench.h"

namespace sandstone::probe {

std::string bench_text(const BenchReport& report) {
  std::string text = fmt::format("{}, {}, caller uid {}\n\n", escape_for_terminal(report.kernel),
                                 escape_for_terminal(report.processor), report.caller_uid);
  text += fmt::format("start-up of a static program that does nothing, {} runs of each, interleaved\n",
                      report.runs);
  text += fmt::format("{:<10}{:>11}{:>12}{:>12}\n", "", "median", "p99", "x bare");
  for (const BenchSubject& subject : report.subjects)
    text += fmt::format("{:<10}{:>8.2f} ms{:>9.2f} ms{:>12.2f}\n", subject.name,
                        subject.start_up.median_us / 1000, subject.start_up.p99_us / 1000,
                        subject.start_up.ratio);
  text +=
      "\ncost of one system call inside: nanoseconds, and how many times the bare host's in the same round\n";
  text += fmt::format("{:<10}", "");
  for (const std::string& name : report.call_names) text += fmt::format("{:>17}", name);
  text += '\n';
  for (const BenchSubject& subject : report.subjects) {
    text += fmt::format("{:<10}", subject.name);
    for (const std::string& name : report.call_names) {
      const auto cost = subject.calls.find(name);
      if (cost != subject.calls.end())
        text += fmt::format("{:>9.1f} x{:>6.2f}", cost->second.nanoseconds, cost->second.ratio);
    }
    text += '\n';
  }
  return text;
}

std::string bench_json(const BenchReport& report) {
  nlohmann::ordered_json json{{"kernel", report.kernel},
                              {"processor", report.processor},
                              {"caller_uid", report.caller_uid},
                              {"runs", report.runs}};
  for (const BenchSubject& subject : report.subjects) {
    auto& entry = json["subjects"][subject.name];
    entry["start_up"] = {{"median_us", subject.start_up.median_us},
                         {"p99_us", subject.start_up.p99_us},
                         {"ratio", subject.start_up.ratio}};
    for (const std::string& name : report.call_names)
      if (const auto cost = subject.calls.find(name); cost != subject.calls.end())
        entry["calls"][name] = {{"ns", cost->second.nanoseconds}, {"ratio", cost->second.ratio}};
  }
  return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace sandstone::probe
