// `sandstone run`: from the words of the command line to an Outcome.

#include <fmt/format.h>
#include <sandstone/image.h>
#include <sandstone/outcome.h>
#include <sandstone/run_spec.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/text.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/outcome_text.h"
#include "cli/output.h"
#include "cli/report_file.h"
#include "engine/foreground.h"
#include "net/rule.h"
#include "observe/stats_text.h"
#include "spec/config.h"
#include "spec/config_json.h"
#include "spec/config_values.h"

namespace sandstone::cli {
namespace {

constexpr Flag kConfig{"config",     'c', 1, "FILE", "take settings from FILE, in JSON; flags come on top",
                       Group::output};
constexpr Flag kPrintConfig{"print-config", 0, 0, "", "print all settings as such a file, and run nothing",
                            Group::output};
constexpr Flag kJson{"json", 0, 1, "FILE|FD:N", "write how it ended, as JSON", Group::output};
constexpr Flag kEvents{"events",     0, 1, "FILE|FD:N", "write what happens as it happens, as lines of JSON",
                       Group::output};
constexpr Flag kQuiet{"quiet",      'q', 0, "", "no line on stderr about how it ended, errors apart",
                      Group::output};
constexpr Flag kHelp{"help", 'h', 0, "", "print this text", Group::output};

constexpr std::string_view kUsage = "sandstone run [OPTIONS] [--] CMD [ARG...]";
constexpr std::string_view kAbout =
    "Runs CMD behind walls. The exit status is CMD's own; 128+N if signal N ended it; 124 after a timeout; "
    "125 if "
    "Sandstone failed; 126 if CMD cannot be executed; 127 if it is not found; 137 at a limit.";

struct Request {
  RunSpec spec;
  bool help = false;
  bool print_config = false;
  bool quiet = false;
  std::optional<std::string_view> json;
  std::optional<std::string_view> events;
};

std::vector<const Flag*> run_flags() {
  std::vector<const Flag*> flags;
  for (const auto& setting : settings())
    if (!setting.flag.name.empty()) flags.push_back(&setting.flag);
  for (const Flag* own : {&kConfig, &kPrintConfig, &kJson, &kEvents, &kQuiet, &kHelp}) flags.push_back(own);
  return flags;
}

Result<void> read_config(const std::string& path, Draft& draft) {
  auto text = read_file(path, kLargestJson);
  if (!text) return text.error();
  const size_t slash = path.rfind('/');
  auto directory = absolute_path(slash == std::string::npos ? "." : path.substr(0, slash + 1), {});
  if (!directory) return Error{path, directory.error().what, {}};
  return apply_config(*text, path, *directory, draft);
}

// The file is the lower layer wherever -c stands, so it is read before any flag counts.
Result<void> read_configs(const Arguments& arguments, Draft& draft) {
  const Argument* config = nullptr;
  for (const auto& argument : arguments.given) {
    if (argument.flag != &kConfig) continue;
    if (config != nullptr) return Error{argument.name(), "given twice", "one file"};
    config = &argument;
  }
  return config == nullptr ? Result<void>() : read_config(std::string(config->value), draft);
}

Result<void> apply_flag(const Argument& argument, Draft& draft) {
  for (const auto& setting : settings()) {
    if (&setting.flag != argument.flag) continue;
    auto result = apply_setting(draft, setting, argument.value, argument.second);
    if (result) return {};
    return Error{argument.name(), result.error().what, result.error().remedy};
  }
  return {};
}

// The network's own reader, so that a bad rule is refused with its place before anything starts.
Result<void> check_rules(const Draft& draft) {
  for (const auto& rule : draft.spec.allow) {
    const auto parsed = net::parse_rule(rule);
    if (parsed) continue;
    Error error = parsed.error();
    for (const auto& origin : draft.origins)
      if (origin.setting->slot == "allow") error.where = place_of(draft, origin);
    return error;
  }
  return {};
}

// How the image is meant to be run is for what neither a file nor a flag says.
Result<void> apply_image(Draft& draft) {
  RunSpec& spec = draft.spec;
  struct stat status{};
  if (spec.tier != Tier::kernel || ::stat(spec.disk_image.c_str(), &status) != 0 ||
      !(S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)))
    return {};  // whoever opens it says so
  auto config = read_image_config(spec.disk_image);
  if (!config) return config.error();
  if (!*config) return {};
  if (auto applied = apply_image_config(**config, spec); !applied) return applied;
  if (!draft.user.empty()) spec.image_user.clear();
  return {};
}

Result<Request> read_request(Words words, const std::vector<const Flag*>& flags) {
  auto arguments = parse_arguments(flags, words);
  if (!arguments) return arguments.error();
  Request request;
  const auto is = [](const Argument& argument, const Flag& flag) { return argument.flag == &flag; };
  for (const auto& argument : arguments->given) {
    if (is(argument, kHelp)) request.help = true;
    if (is(argument, kPrintConfig)) request.print_config = argument.value == "true";
    if (is(argument, kQuiet)) request.quiet = argument.value == "true";
    if (is(argument, kJson)) request.json = argument.value;
    if (is(argument, kEvents)) request.events = argument.value;
  }
  if (request.help) return request;

  Draft draft;
  if (auto result = read_configs(*arguments, draft); !result) return result.error();
  draft.layer = Layer::flags;
  draft.directory.clear();
  for (const auto& argument : arguments->given)
    if (auto result = apply_flag(argument, draft); !result) return result.error();
  if (!arguments->words.empty()) {
    draft.spec.argv.assign(arguments->words.begin(), arguments->words.end());
    std::erase_if(draft.origins,
                  [](const Draft::Origin& origin) { return origin.setting->slot == "command"; });
  }
  if (auto result = check_rules(draft); !result) return result.error();
  if (!draft.spec.disk_image.empty())
    if (auto result = apply_image(draft); !result) return result.error();
  auto spec = finish(std::move(draft));
  if (!spec) return spec.error();
  request.spec = std::move(*spec);
  return request;
}

// Both files are open before anything starts, and neither stays behind if the other cannot be had.
struct Reports {
  std::optional<ReportFile> json;
  std::optional<ReportFile> events;
};

Result<Reports> open_reports(const Request& request) {
  Reports reports;
  if (request.json) {
    auto file = ReportFile::open(*request.json, "--json");
    if (!file) return file.error();
    reports.json = std::move(*file);
  }
  if (request.events) {
    auto file = ReportFile::open(*request.events, "--events");
    if (!file) {
      if (reports.json) reports.json->abandon();
      return file.error();
    }
    reports.events = std::move(*file);
  }
  for (auto* report : {&reports.json, &reports.events})
    if (*report)
      if (auto result = (*report)->begin(); !result) return result.error();
  return reports;
}

// Writes each event as it comes. What a slow reader could not take is counted, and told before the next that
// it takes.
class EventWriter {
 public:
  explicit EventWriter(ReportFile& file) : file_(file) {}

  void write(const Event& event) {
    last_ = event.since_start;
    if (put(event_json(event), {}))
      dropped_ = 0;
    else
      ++dropped_;
  }

  // The run is over: now there is a moment to wait.
  void finish() {
    constexpr auto kPatience = std::chrono::milliseconds(500);
    if (dropped_ > 0) put({}, kPatience);
  }

 private:
  bool put(const std::string& line, std::chrono::milliseconds patience) {
    return file_.try_write_lines((dropped_ > 0 ? dropped_events_json(last_, dropped_) : "") + line, patience);
  }

  ReportFile& file_;
  uint64_t dropped_ = 0;
  std::chrono::nanoseconds last_{};
};

void tell(const Request& request, const Outcome& outcome) {
  const bool is_error = outcome.cause == Cause::failed || outcome.cause == Cause::not_found ||
                        outcome.cause == Cause::not_executable;
  if (request.quiet && !is_error) return;
  if (const auto line = outcome_line(request.spec, outcome)) say(*line);
  if (outcome.missing.empty() || request.quiet) return;
  // --best-effort allows less than was asked, but not without a word.
  std::string names;
  for (const auto& missing : outcome.missing) names += (names.empty() ? "" : ", ") + missing.wall;
  say(escape_for_terminal(fmt::format("--best-effort: went on without {}", names)));
}

void tell_stats(const Outcome& outcome) {
  if (!outcome.stats) return say("--stats: it ended before its kernel had counted anything");
  say("what its kernel did");
  (void)write_all(STDERR_FILENO, observe::stats_table(*outcome.stats)).ok();
}

int run(const Request& request) {
  if (request.spec.terminal && ::isatty(STDIN_FILENO) == 0)
    return fail(Error{"-t", "the input device is not a terminal", "leave -t out, or run it from a terminal"});
  auto reports = open_reports(request);
  if (!reports) return fail(reports.error());

  std::optional<EventWriter> events;
  EventSink sink;
  if (reports->events) {
    events.emplace(*reports->events);
    sink = [&events](const Event& event) { events->write(event); };
  }
  const Outcome outcome = engine::run_in_foreground(request.spec, sink);
  if (events) events->finish();

  tell(request, outcome);
  if (request.spec.stats) tell_stats(outcome);
  if (reports->json)
    if (auto result = reports->json->write(outcome_json(request.spec, outcome)); !result)
      return fail(result.error());
  return outcome.exit_status;
}

}  // namespace

int run_command(Words words) {
  const auto flags = run_flags();
  auto request = read_request(words, flags);
  if (!request) return fail(request.error());
  if (request->help) return print(describe(kUsage, kAbout, flags));
  if (!request->print_config) return run(*request);
  auto text = print_config(request->spec);
  return text ? print(*text) : fail(text.error());
}

}  // namespace sandstone::cli
