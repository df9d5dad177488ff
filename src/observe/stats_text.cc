#include "observe/stats_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "calls/table.h"

namespace sandstone::observe {
namespace {

using Numbers = std::array<uint64_t, Stats::Calls::kNumbers>;

std::string name_of(size_t number) {
  const calls::Call* call = calls::find(number);
  return call != nullptr                        ? call->name
         : number + 1 == Stats::Calls::kNumbers ? "others"
                                                : fmt::format("call_{}", number);
}

std::string by_name(const Numbers& counts) {
  std::string text;
  for (size_t i = 0; i < counts.size(); ++i)
    if (counts[i] != 0) text += fmt::format("{}\"{}\":{}", text.empty() ? "" : ",", name_of(i), counts[i]);
  return text;
}

// JSON knows no infinities, and a load is whatever a guest wrote.
double finite(double value) {
  return std::isfinite(value) ? value : 0;
}

double seconds(uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1e9;
}

std::string counts_json(const Stats& stats) {
  std::string softirqs;
  for (size_t i = 0; i < Stats::kSoftirqs; ++i)
    softirqs += fmt::format("{}\"{}\":{}", i == 0 ? "" : ",", softirq_name(i), stats.softirqs[i]);
  const Stats::Calls& calls = stats.calls;
  const auto share = stats.patched_share();
  return fmt::format(
      R"("forks":{},"context_switches":{},"interrupts":{},"softirqs":{{{}}},"calls":{{"total":{},)"
      R"("entries":{{"imm7":{},"pre":{},"post":{},"rel8":{},"trapped":{},"notified":{}}},"patched_share":{},)"
      R"("routes":{{"library":{},"host":{},"both":{},"refused":{}}},"by_name":{{{}}},"enosys":{{{}}}}})",
      stats.forks, stats.context_switches, stats.interrupts, softirqs, stats.total_calls(), calls.imm7,
      calls.pre, calls.post, calls.rel8, calls.trapped, calls.notified,
      share ? fmt::format("{:.6f}", *share) : "null", calls.library, calls.host, calls.both, calls.refused,
      by_name(calls.by_number), by_name(calls.enosys));
}

std::string body(const Stats& stats) {
  const Stats::Memory& memory = stats.memory;
  return fmt::format(
      R"("time":{:.6f},"kernel_time":{:.6f},"processes":{},"threads":{},"runnable":{},"descriptors":{},"load":[{:.2f},{:.2f},{:.2f}],)"
      R"("memory":{{"total":{},"free":{},"available":{},"page_cache":{},"dirty":{},"shared":{},"slab_reclaimable":{},)"
      R"("slab_unreclaimable":{},"kernel_stacks":{},"anonymous":{}}},)",
      seconds(stats.time_ns), seconds(stats.kernel_time_ns), stats.processes, stats.threads, stats.runnable,
      stats.descriptors, finite(stats.load[0]), finite(stats.load[1]), finite(stats.load[2]), memory.total,
      memory.free, memory.available, memory.page_cache, memory.dirty, memory.shared, memory.slab_reclaimable,
      memory.slab_unreclaimable, memory.kernel_stacks, memory.anonymous);
}

std::string mib(uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

// The most frequent first.
std::string most(const Numbers& counts, size_t how_many) {
  std::vector<std::pair<uint64_t, size_t>> found;
  for (size_t i = 0; i < counts.size(); ++i)
    if (counts[i] != 0) found.emplace_back(counts[i], i);
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  for (size_t i = 0; i < std::min(found.size(), how_many); ++i)
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", name_of(found[i].second), found[i].first);
  return text + (found.size() > how_many ? ", …" : "");
}

}  // namespace

std::string stats_json(const Stats& stats) {
  return "{" + body(stats) + counts_json(stats) + "}";
}

std::string stats_json(const Sample& sample) {
  return fmt::format(R"({{{}{},"since_last":{{"seconds":{:.6f},{}}}}})", body(sample.stats),
                     counts_json(sample.stats), sample.seconds, counts_json(sample.gained));
}

std::string stats_table(const Stats& stats) {
  const Stats::Memory& memory = stats.memory;
  const Stats::Calls& calls = stats.calls;
  uint64_t softirqs = 0;
  for (const uint64_t count : stats.softirqs) softirqs += count;
  std::string text = fmt::format(
      "time       {:.3f} s\n"
      "tasks      {} processes, {} threads, {} runnable; {} forks\n"
      "activity   {} context switches, {} interrupts, {} softirqs; load {:.2f}, {:.2f}, {:.2f}\n"
      "files      {} descriptors\n"
      "memory     {}: {} free, {} page cache ({} of it in memory only), {} slab, {} kernel stacks\n"
      "           {} anonymous, of the host's\n"
      "calls      {}: {} library, {} host, {} both, {} refused\n",
      seconds(stats.time_ns), stats.processes, stats.threads, stats.runnable, stats.forks,
      stats.context_switches, stats.interrupts, softirqs, finite(stats.load[0]), finite(stats.load[1]),
      finite(stats.load[2]), stats.descriptors, mib(memory.total), mib(memory.free), mib(memory.page_cache),
      mib(memory.shared), mib(memory.slab_reclaimable + memory.slab_unreclaimable), mib(memory.kernel_stacks),
      mib(memory.anonymous), stats.total_calls(), calls.library, calls.host, calls.both, calls.refused);
  if (const auto share = stats.patched_share())
    text += fmt::format("patched    {:.2f} %: {} imm7, {} pre, {} post, {} rel8; {} trapped\n", *share * 100,
                        calls.imm7, calls.pre, calls.post, calls.rel8, calls.trapped);
  if (const auto names = most(calls.by_number, 8); !names.empty())
    text += fmt::format("most       {}\n", names);
  if (const auto names = most(calls.enosys, 8); !names.empty()) text += fmt::format("ENOSYS     {}\n", names);
  return text;
}

}  // namespace sandstone::observe
