// `sandstone probe`: the probe's findings, for a person, for a program, or as a page.

#include "probe/probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>

#include "base/fd.h"
#include "base/text.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/output.h"
#include "probe/promises.h"
#include "probe/render.h"

namespace sandstone::cli {
namespace {

constexpr Flag kTier{"tier",      0, 1, "TIER", "probe this tier alone: none, ns, landlock, full or kernel",
                     Group::walls};
constexpr Flag kWalls{"walls",     0, 1, "LIST", "with --tier: raise these walls instead of its own",
                      Group::walls};
constexpr Flag kNoAblation{"no-ablation", 0, 0, "", "only the tiers: faster, and names no blockers",
                           Group::walls};
constexpr Flag kJson{"json", 0, 0, "", "print the report as JSON", Group::output};
constexpr Flag kHtml{"html", 0, 1, "FILE", "write the report to FILE, as one page", Group::output};
constexpr Flag kFrom{"from",       0, 1, "FILE", "show a report that --json printed, and probe nothing",
                     Group::output};
constexpr Flag kPromises{"promises", 0, 0, "", "print what each tier promises to stop", Group::output};
constexpr Flag kHelp{"help", 'h', 0, "", "print this text", Group::output};
constexpr const Flag* kFlags[] = {&kTier, &kWalls, &kNoAblation, &kJson, &kHtml, &kFrom, &kPromises, &kHelp};

constexpr std::string_view kAbout =
    "Tries what hostile code would try, behind every wall, and shows what each wall stops. The exit status "
    "is 0, 1 if "
    "something that a tier promises to stop was allowed, 125 if Sandstone failed.";

struct Request {
  std::optional<std::string> tier;
  std::optional<std::string> walls;
  std::optional<std::string> html;
  std::optional<std::string> from;
  bool json = false;
  bool promises = false;
  bool no_ablation = false;
  bool help = false;
};

Result<Request> read_request(Words words) {
  auto arguments = parse_arguments(kFlags, words);
  if (!arguments) return arguments.error();
  if (!arguments->words.empty())
    return Error{"probe", fmt::format("'{}' is one word too many", arguments->words[0]), {}};
  Request request;
  for (const auto& argument : arguments->given) {
    const std::string value(argument.value);
    const bool on = value == "true";
    if (argument.flag == &kTier) request.tier = value;
    if (argument.flag == &kWalls) request.walls = value;
    if (argument.flag == &kHtml) request.html = value;
    if (argument.flag == &kFrom) request.from = value;
    if (argument.flag == &kJson) request.json = on;
    if (argument.flag == &kPromises) request.promises = on;
    if (argument.flag == &kNoAblation) request.no_ablation = on;
    if (argument.flag == &kHelp) request.help = on;
  }
  if (request.walls && !request.tier)
    return Error{"--walls", "has no meaning without a tier", "add --tier full"};
  if (request.from && (request.tier || request.no_ablation))
    return Error{"--from", "nothing is probed", "leave --tier and --no-ablation out"};
  return request;
}

std::string promises_text(bool json) {
  std::string text;
  for (const auto& promise : probe::promises()) {
    const char* tier = to_string(promise.from);
    if (json && !text.empty()) text += ",\n";
    text += json ? fmt::format("  {{\"operation\": \"{}\", \"from\": \"{}\"}}", promise.operation, tier)
                 : fmt::format("{:24} {}\n", promise.operation, tier);
  }
  return json ? fmt::format("[\n{}\n]\n", text) : text;
}

// A line on the terminal that says what is being tried; the next takes its place.
void show_progress(size_t count, const std::string& label) {
  (void)write_all(STDERR_FILENO, fmt::format("\r\x1b[K{:3}  {}", count, escape_for_terminal(label))).ok();
}

Result<probe::Report> obtain(const Request& request) {
  if (request.from) {
    constexpr size_t kLargestReport = 64 << 20;
    auto text = read_file(*request.from, kLargestReport);
    if (!text) return text.error();
    return probe::from_json(*text);
  }
  probe::Options options;
  if (request.tier) {
    const auto tier = probe::parse_column(*request.tier);
    if (!tier)
      return Error{"--tier", fmt::format("'{}' is not a tier", *request.tier), probe::column_names()};
    if (request.walls && tier->own_kernel())
      return Error{"--walls", "the tier kernel stands behind those of full", "--tier full --walls LIST"};
    options.tiers = {*tier};
  }
  if (request.walls) {
    options.walls.emplace();
    for (size_t at = 0; at <= request.walls->size();) {
      const size_t comma = std::min(request.walls->find(',', at), request.walls->size());
      if (comma > at) options.walls->push_back(request.walls->substr(at, comma - at));
      at = comma + 1;
    }
  }
  options.find_blockers = !request.no_ablation;
  const bool watched = ::isatty(STDERR_FILENO) != 0;
  if (watched)
    options.progress = [count = size_t{0}](const std::string& label) mutable {
      show_progress(++count, label);
    };
  auto report = probe::run(options);
  if (watched) (void)write_all(STDERR_FILENO, "\r\x1b[K").ok();
  return report;
}

Result<Fd> open_page(const std::string& path) {
  constexpr mode_t kForAll = 0644;  // a page to show around
  Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, kForAll));
  if (!file.valid()) return system_error("--html", fmt::format("cannot write '{}'", path), errno);
  return file;
}

}  // namespace

int probe_command(Words words) {
  auto request = read_request(words);
  if (!request) return fail(request.error());
  if (request->help) return print(describe("sandstone probe [OPTIONS]", kAbout, kFlags));
  if (request->promises) return print(promises_text(request->json));

  // Opened first: a minute of probing must not end in a page that cannot be written.
  std::optional<Fd> page;
  if (request->html) {
    auto opened = open_page(*request->html);
    if (!opened) return fail(opened.error());
    page = std::move(*opened);
  }
  auto report = obtain(*request);
  if (!report) return fail(report.error());
  if (page)
    if (auto written = write_all(page->get(), probe::render_html(*report)); !written)
      return fail(Error{"--html", written.error().what, {}});
  int status = 0;
  if (request->json) {
    status = print(probe::to_json(*report) + "\n");
  } else if (!page) {
    const bool colour = ::isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
    status = print(probe::render_text(*report, {.colour = colour}));
  }
  if (status != 0) return status;
  return report->broken_promises() == 0 ? 0 : 1;
}

}  // namespace sandstone::cli
