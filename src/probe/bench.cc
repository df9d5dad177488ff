#include "probe/bench.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sandstone/sandbox.h>
#include <spawn.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <sstream>

#include "base/fd.h"
#include "probe/sandbox_runner.h"

namespace sandstone::probe {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kCallRounds = 7;
constexpr char kInside[] = "/sandstone-probe";

double microseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

// One program on the bare host, started as cheaply as the C library can. `output` is a descriptor, or -1 for
// none.
Result<void> run_bare(const std::string& program, const char* mode, int output) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (output >= 0) ::posix_spawn_file_actions_adddup2(&actions, output, 1);
  const char* argv[] = {program.c_str(), mode, nullptr};
  pid_t child = 0;
  const int error =
      ::posix_spawn(&child, program.c_str(), &actions, nullptr, const_cast<char**>(argv), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return system_error(program, "cannot be run", error);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) return Error{program, "failed", {}};
  return {};
}

Result<std::string> output_bare(const std::string& program, const char* mode) {
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  if (auto done = run_bare(program, mode, pipe->write.get()); !done) return done.error();
  pipe->write.reset();
  std::string text;
  char block[4096];
  for (ssize_t got = 0; (got = ::read(pipe->read.get(), block, sizeof block)) > 0;)
    text.append(block, static_cast<size_t>(got));
  return text;
}

RunSpec spec_for(Tier tier, const std::string& program, const char* mode) {
  if (tier == Tier::none) return RunSpec::command({program, mode}).with_tier(tier);
  return RunSpec::command({kInside, mode}).with_tier(tier).with_bind(program, kInside, Access::read_only);
}

Result<std::string> output_in(Tier tier, const std::string& program, const char* mode) {
  auto sandbox = Sandbox::start(spec_for(tier, program, mode), {Stream::null, Stream::pipe, Stream::null});
  if (!sandbox) return sandbox.error();
  std::string text = sandbox->read_stdout();
  const Outcome outcome = sandbox->wait();
  if (!outcome.error.what.empty()) return outcome.error;
  if (outcome.exit_status != 0) return Error{to_string(tier), "the measuring program failed", {}};
  return text;
}

Result<void> start_in(Tier tier, const std::string& program) {
  auto sandbox = Sandbox::start(spec_for(tier, program, "true"), {Stream::null, Stream::null, Stream::null});
  if (!sandbox) return sandbox.error();
  const Outcome outcome = sandbox->wait();
  if (!outcome.error.what.empty()) return outcome.error;
  if (outcome.exit_status != 0) return Error{to_string(tier), "the program that does nothing failed", {}};
  return {};
}

std::map<std::string, double> read_costs(const std::string& text, std::vector<std::string>& names) {
  std::map<std::string, double> costs;
  std::istringstream words(text);
  std::string name;
  for (double nanoseconds = 0; words >> name >> nanoseconds;) {
    costs[name] = nanoseconds;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return costs;
}

// The bare host is subject 0, tier i subject i + 1.
Result<void> measure_start_up(const BenchOptions& options, const std::string& program,
                              std::vector<BenchSubject>& subjects) {
  std::vector<std::vector<double>> samples(subjects.size());
  constexpr int kWarmUp = 3;
  for (int round = -kWarmUp; round < options.runs; ++round) {
    if (options.progress)
      options.progress(fmt::format("start-up, round {} of {}", std::max(round, 0) + 1, options.runs));
    for (size_t i = 0; i < subjects.size(); ++i) {
      const auto start = Clock::now();
      auto done = i == 0 ? run_bare(program, "true", -1) : start_in(options.tiers[i - 1], program);
      const double took = microseconds(Clock::now() - start);
      if (!done) return done;
      if (round >= 0) samples[i].push_back(took);
    }
  }
  for (size_t i = 0; i < subjects.size(); ++i) {
    subjects[i].start_up = {percentile(samples[i], 50), percentile(samples[i], 99), 1};
    subjects[i].start_up.ratio = subjects[i].start_up.median_us / subjects[0].start_up.median_us;
  }
  return {};
}

Result<void> measure_calls(const BenchOptions& options, const std::string& program, BenchReport& report) {
  std::vector<std::map<std::string, std::vector<double>>> costs(report.subjects.size());
  std::vector<std::map<std::string, std::vector<double>>> ratios(report.subjects.size());
  for (int round = 0; round < kCallRounds; ++round) {
    if (options.progress)
      options.progress(fmt::format("system calls, round {} of {}", round + 1, kCallRounds));
    std::map<std::string, double> bare;
    for (size_t i = 0; i < report.subjects.size(); ++i) {
      auto text =
          i == 0 ? output_bare(program, "syscalls") : output_in(options.tiers[i - 1], program, "syscalls");
      if (!text) return text.error();
      const auto round_costs = read_costs(*text, report.call_names);
      if (i == 0) bare = round_costs;
      for (const auto& [name, nanoseconds] : round_costs) {
        costs[i][name].push_back(nanoseconds);
        ratios[i][name].push_back(nanoseconds / bare[name]);
      }
    }
  }
  for (size_t i = 0; i < report.subjects.size(); ++i)
    for (const std::string& name : report.call_names)
      if (!costs[i][name].empty())
        report.subjects[i].calls[name] = {percentile(costs[i][name], 50), percentile(ratios[i][name], 50)};
  return {};
}

std::string processor() {
  auto text = read_file("/proc/cpuinfo", 1 << 22);
  if (!text) return "unknown processor";
  const size_t at = text->find("model name");
  const size_t colon = at == std::string::npos ? at : text->find(": ", at);
  if (colon == std::string::npos) return "unknown processor";
  return text->substr(colon + 2, text->find('\n', colon) - colon - 2);
}

}  // namespace

double percentile(std::vector<double> samples, double percent) {
  std::sort(samples.begin(), samples.end());
  const auto rank = static_cast<size_t>(std::ceil(percent / 100 * static_cast<double>(samples.size())));
  return samples[std::clamp<size_t>(rank, 1, samples.size()) - 1];
}

Result<BenchReport> benchmark(const BenchOptions& options) {
  if (options.runs < 1) return Error{"--runs", "must be at least 1", {}};
  auto program = find_program();
  if (!program) return program.error();
  BenchReport report;
  utsname names{};
  ::uname(&names);
  report.kernel = fmt::format("{} {} {}", names.sysname, names.release, names.machine);
  report.processor = processor();
  report.caller_uid = static_cast<int>(::geteuid());
  report.runs = options.runs;
  report.subjects.push_back({"bare", {}, {}});
  for (const Tier tier : options.tiers) report.subjects.push_back({to_string(tier), {}, {}});
  if (auto done = measure_start_up(options, *program, report.subjects); !done) return done.error();
  if (auto done = measure_calls(options, *program, report); !done) return done.error();
  return report;
}

}  // namespace sandstone::probe
