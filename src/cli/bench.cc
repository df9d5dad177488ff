// `sandstone bench`: what each tier costs on this host.

#include "probe/bench.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <optional>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/output.h"

namespace sandstone::cli {
namespace {

constexpr Flag kTier{"tier", 0, 1, "TIER", "measure this tier alone, beside the bare host", Group::walls};
constexpr Flag kRuns{"runs", 0, 1, "N", "starts of each tier (default 100)", Group::walls};
constexpr Flag kJson{"json", 0, 0, "", "print the figures as JSON", Group::output};
constexpr Flag kHelp{"help", 'h', 0, "", "print this text", Group::output};
constexpr const Flag* kFlags[] = {&kTier, &kRuns, &kJson, &kHelp};

constexpr std::string_view kAbout =
    "Measures start-up and the cost of system calls on every tier, with the bare host's cost beside it. "
    "Compare the ratios: the "
    "times are those of a machine that does other things as well.";

struct Request {
  probe::BenchOptions options;
  bool json = false;
  bool help = false;
};

Result<Request> read_request(Words words) {
  auto arguments = parse_arguments(kFlags, words);
  if (!arguments) return arguments.error();
  if (!arguments->words.empty())
    return Error{"bench", fmt::format("'{}' is one word too many", arguments->words[0]), {}};
  Request request;
  for (const auto& argument : arguments->given) {
    if (argument.flag == &kTier) {
      const auto tier = parse_tier(std::string(argument.value));
      if (!tier)
        return Error{"--tier", fmt::format("'{}' is not a tier", argument.value),
                     "none, ns, landlock or full"};
      request.options.tiers = {*tier};
    }
    if (argument.flag == &kRuns) {
      constexpr int kMost = 100'000;
      int runs = 0;
      const std::string value(argument.value);
      const char* end = value.data() + value.size();
      const auto [rest, problem] = std::from_chars(value.data(), end, runs);
      if (problem != std::errc{} || rest != end || runs < 1 || runs > kMost)
        return Error{"--runs", fmt::format("'{}' is not a number from 1 to {}", value, kMost), {}};
      request.options.runs = runs;
    }
    if (argument.flag == &kJson) request.json = argument.value == "true";
    if (argument.flag == &kHelp) request.help = argument.value == "true";
  }
  return request;
}

}  // namespace

int bench_command(Words words) {
  auto request = read_request(words);
  if (!request) return fail(request.error());
  if (request->help) return print(describe("sandstone bench [OPTIONS]", kAbout, kFlags));
  const bool watched = ::isatty(STDERR_FILENO) != 0;
  if (watched)
    request->options.progress = [](const std::string& what) {
      (void)write_all(STDERR_FILENO, fmt::format("\r\x1b[K{}", what)).ok();
    };
  auto report = probe::benchmark(request->options);
  if (watched) (void)write_all(STDERR_FILENO, "\r\x1b[K").ok();
  if (!report) return fail(report.error());
  return print(request->json ? probe::bench_json(*report) + "\n" : probe::bench_text(*report));
}

}  // namespace sandstone::cli
