// `sandstone image`: makes disk images, and shows the config of one.

#include <fmt/format.h>
#include <sandstone/image.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "base/units.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/output.h"
#include "image/config.h"
#include "image/wire.h"
#include "spec/config_nearest.h"

namespace sandstone::cli {
namespace {

constexpr Flag kSize{"size",
                     0,
                     1,
                     "SIZE",
                     "of the image (default: what the content takes, and a quarter and 64 MiB more)",
                     Group::limits};
constexpr Flag kOwner{
    "owner",
    0,
    1,
    "WHO",
    "whose the files are: keep (as found, the default), map (yours become root's) or root (all)",
    Group::view};
constexpr Flag kImage{"image", 0, 1, "NAME[:TAG]", "which image, if there are several", Group::view};
constexpr Flag kPlatform{"platform", 0, 1, "OS/ARCH[/VARIANT]", "for which machine (default: this one's)",
                         Group::view};
constexpr Flag kJson{"json", 0, 0, "", "print the result as JSON", Group::output};
constexpr Flag kHelp{"help", 'h', 0, "", "print this text", Group::output};
constexpr const Flag* kBuildFlags[] = {&kOwner, &kSize, &kJson, &kHelp};
constexpr const Flag* kImportFlags[] = {&kImage, &kPlatform, &kSize, &kJson, &kHelp};
constexpr const Flag* kConfigFlags[] = {&kHelp};

struct Request {
  std::vector<std::string> operands;
  std::optional<uint64_t> size;
  ImageOwner owner = ImageOwner::keep;
  std::string name;
  std::string platform;
  bool json = false;
  bool help = false;
};

struct Verb {
  std::string_view name;
  std::string_view usage;
  std::string_view about;
  std::span<const Flag* const> flags;
  size_t operands;
  int (*run)(const Request& request);
};

std::string summary_text(const std::string& image, const ImageSummary& summary) {
  std::string text = fmt::format("{}: {}, {} of it used, {} files\n", escape_for_terminal(image),
                                 format_size(summary.bytes), format_size(summary.used), summary.entries);
  if (!summary.config) return text;
  // In ASCII, with all else escaped: it comes from the image.
  const auto config = nlohmann::json::parse(image::config_text(*summary.config));
  for (const auto& [key, value] : config.items())
    text += fmt::format("  {:<11} {}\n", key,
                        value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
  return text;
}

int report(const Request& request, Result<ImageSummary> made) {
  if (!made) return fail(made.error());
  return print(request.json ? image::encode(*made) + "\n" : summary_text(request.operands[1], *made));
}

int build(const Request& request) {
  return report(request,
                build_image({request.operands[0], request.operands[1], request.size, request.owner}));
}

int import(const Request& request) {
  return report(request, import_image({request.operands[0], request.operands[1], request.size, request.name,
                                       request.platform}));
}

int show_config(const Request& request) {
  auto config = read_image_config(request.operands[0]);
  if (!config) return fail(config.error());
  if (!*config)
    return fail(
        Error{request.operands[0], "has no config", "'sandstone image import' makes images that have one"});
  const auto object = nlohmann::json::parse(image::config_text(**config));
  return print(object.dump(2, ' ', true, nlohmann::json::error_handler_t::replace) + "\n");
}

constexpr Verb kVerbs[] = {
    {"build", "sandstone image build [OPTIONS] DIR|TAR IMG",
     "Makes IMG, an ext4 disk image, from a folder or a tar archive (plain, or packed by gzip, zstd, xz or "
     "bzip2). "
     "It needs no root. An IMG that is there is replaced when the new one is whole.",
     kBuildFlags, 2, &build},
    {"import", "sandstone image import [OPTIONS] OCI-LAYOUT|ARCHIVE IMG",
     "Makes IMG, an ext4 disk image, from a container image: the folder or the archive of an OCI image "
     "layout, or "
     "what 'docker save' makes. Every digest is checked. How the image is meant to be run is printed, and "
     "kept in "
     "IMG.",
     kImportFlags, 2, &import},
    {"config", "sandstone image config IMG", "Prints how an imported image is meant to be run, as JSON.",
     kConfigFlags, 1, &show_config},
};

std::string overview_of_verbs() {
  std::string text = "Usage: sandstone image build|import|config ...\n";
  for (const Verb& verb : kVerbs)
    text += fmt::format("\n{}\n  {}\n", verb.usage, wrap(verb.about, 2, kColumns - 2));
  return text + "\n'sandstone image build --help' lists the options of one.\n";
}

Result<void> read_argument(const Argument& argument, Request& request) {
  const std::string value(argument.value);
  const bool on = value == "true";
  if (argument.flag == &kSize) {
    request.size = parse_size(value);
    if (!request.size)
      return Error{"--size", fmt::format("'{}' is not a size", value), "for example 512m or 2g"};
  }
  if (argument.flag == &kOwner) {
    constexpr std::pair<std::string_view, ImageOwner> kOwners[] = {
        {"keep", ImageOwner::keep}, {"map", ImageOwner::map}, {"root", ImageOwner::root}};
    const auto* found =
        std::find_if(std::begin(kOwners), std::end(kOwners), [&](const auto& o) { return o.first == value; });
    if (found == std::end(kOwners))
      return Error{"--owner", fmt::format("'{}' is not an owner", value), "keep, map or root"};
    request.owner = found->second;
  }
  if ((argument.flag == &kImage || argument.flag == &kPlatform) && value.empty())
    return Error{argument.name(), "is empty", "leave it out"};
  if (argument.flag == &kImage) request.name = value;
  if (argument.flag == &kPlatform) request.platform = value;
  if (argument.flag == &kJson) request.json = on;
  if (argument.flag == &kHelp) request.help = on;
  return {};
}

// Options may stand before, between and behind the operands, until "--".
Result<Request> read_request(const Verb& verb, Words words) {
  Request request;
  while (!words.empty()) {
    auto arguments = parse_arguments(verb.flags, words);
    if (!arguments) return arguments.error();
    for (const Argument& argument : arguments->given)
      if (auto read = read_argument(argument, request); !read) return read.error();
    const size_t taken = words.size() - arguments->words.size();
    const bool ended = taken > 0 && std::string_view(words[taken - 1]) == "--";
    words = arguments->words;
    while (!words.empty()) {
      request.operands.emplace_back(words[0]);
      words = words.subspan(1);
      if (!ended) break;
    }
  }
  if (request.help) return request;
  if (request.operands.size() > verb.operands)
    return Error{"image", fmt::format("'{}' is one word too many", request.operands[verb.operands]),
                 std::string(verb.usage)};
  if (request.operands.size() < verb.operands)
    return Error{"image", "a name is missing", std::string(verb.usage)};
  for (const std::string& operand : request.operands)
    if (operand.empty()) return Error{"image", "a name is empty", std::string(verb.usage)};
  return request;
}

}  // namespace

int image_command(Words words) {
  if (words.empty()) return fail(Error{"image", "nothing to do is given", "build, import or config"});
  const std::string_view name = words[0];
  if (name == "--help" || name == "-h") return print(overview_of_verbs());
  const auto* verb =
      std::find_if(std::begin(kVerbs), std::end(kVerbs), [&](const Verb& v) { return v.name == name; });
  if (verb == std::end(kVerbs)) {
    const auto near = nearest(name, std::vector<std::string_view>{"build", "import", "config"});
    return fail(Error{"image", fmt::format("'{}' is not one of its commands", name),
                      near.empty() ? "build, import or config" : fmt::format("did you mean '{}'?", near)});
  }
  auto request = read_request(*verb, words.subspan(1));
  if (!request) return fail(request.error());
  if (request->help) return print(describe(verb->usage, verb->about, verb->flags));
  return verb->run(*request);
}

}  // namespace sandstone::cli
