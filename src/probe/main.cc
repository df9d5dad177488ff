// The face: `sandstone probe`.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/fd.h"
#include "probe/probe.h"
#include "probe/promises.h"
#include "probe/render.h"

namespace sandstone::probe {
namespace {

constexpr int kFailed = 125;

struct Arguments {
  std::string tier;
  std::string walls;
  std::string html;
  std::string from;
  bool json = false;
  bool promises = false;
  bool no_ablation = false;
};

int fail(const Error& error) {
  fmt::print(stderr, "sandstone probe: {}\n", error.line());
  return kFailed;
}

WallSet split(const std::string& list) {
  WallSet walls;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t comma = std::min(list.find(',', begin), list.size());
    if (comma > begin) walls.push_back(list.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return walls;
}

int print_promises(bool json) {
  std::string text;
  for (const Promise& promise : promises())
    text += json ? fmt::format("{} {{\"operation\": \"{}\", \"from\": \"{}\"}}", text.empty() ? "" : ",\n", promise.operation, to_string(promise.from))
                 : fmt::format("{:24} {}\n", promise.operation, to_string(promise.from));
  fmt::print("{}", json ? fmt::format("[\n{}\n]\n", text) : text);
  return 0;
}

Result<Report> obtain(const Arguments& arguments) {
  if (!arguments.from.empty()) {
    auto text = read_file(arguments.from, 64 << 20);
    if (!text) return text.error();
    return from_json(*text);
  }
  Options options;
  if (!arguments.tier.empty()) {
    const auto tier = parse_tier(arguments.tier);
    if (!tier) return Error{"--tier", fmt::format("'{}' is not a tier", arguments.tier), "none, ns, landlock or full"};
    options.tiers = {*tier};
  }
  if (!arguments.walls.empty()) options.walls = split(arguments.walls);
  options.find_blockers = !arguments.no_ablation;
  if (::isatty(STDERR_FILENO) != 0)
    options.progress = [count = 0](const std::string& label) mutable { fmt::print(stderr, "\r\x1b[K{:3}  {}", ++count, label); };
  auto report = run(options);
  if (options.progress) fmt::print(stderr, "\r\x1b[K");
  return report;
}

Result<void> write_page(const std::string& path, const std::string& page) {
  std::FILE* file = std::fopen(path.c_str(), "we");
  if (file == nullptr) return system_error("--html", fmt::format("cannot write '{}'", path), errno);
  const bool written = std::fwrite(page.data(), 1, page.size(), file) == page.size();
  if (std::fclose(file) != 0 || !written) return system_error("--html", fmt::format("cannot write '{}'", path), errno);
  return {};
}

}  // namespace

int probe_main(std::vector<std::string> args) {
  Arguments arguments;
  CLI::App app{"Tries what hostile code would try, behind every wall, and shows what each wall stops", "sandstone probe"};
  app.add_option("--tier", arguments.tier, "probe this tier alone: none, ns, landlock or full");
  app.add_option("--walls", arguments.walls, "raise these walls, separated by commas, instead of the tier's own")->needs("--tier");
  app.add_flag("--json", arguments.json, "print the report as JSON");
  app.add_option("--html", arguments.html, "write the report to this file, as one page");
  app.add_flag("--no-ablation", arguments.no_ablation, "only the tiers: faster, and names no blockers");
  app.add_option("--from", arguments.from, "show a report that --json wrote, instead of probing")->excludes("--tier");
  app.add_flag("--promises", arguments.promises, "print what each tier promises to stop");
  std::reverse(args.begin(), args.end());
  try {
    app.parse(args);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return 0;
  } catch (const CLI::ParseError& error) {
    return fail({"arguments", error.what(), "sandstone probe --help"});
  }
  if (arguments.promises) return print_promises(arguments.json);

  auto report = obtain(arguments);
  if (!report) return fail(report.error());
  if (!arguments.html.empty())
    if (auto written = write_page(arguments.html, render_html(*report)); !written) return fail(written.error());
  if (arguments.json) fmt::print("{}\n", to_json(*report));
  else if (arguments.html.empty()) fmt::print("{}", render_text(*report, {::isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr}));
  return report->broken_promises() == 0 ? 0 : 1;
}

}  // namespace sandstone::probe
