#include "cli/help.h"

#include <fmt/format.h>

#include "cli/commands.h"

namespace sandstone::cli {
namespace {

constexpr size_t kHelpColumn = 32;

std::string describe_flag(const Flag& flag) {
  std::string left = flag.letter != 0 ? fmt::format("  -{}, ", flag.letter) : std::string(6, ' ');
  left += fmt::format("--{}", flag.name);
  if (flag.values > 0) left += fmt::format(" {}", flag.value);
  if (left.size() + 2 > kHelpColumn)
    left += "\n" + std::string(kHelpColumn, ' ');
  else
    left.append(kHelpColumn - left.size(), ' ');
  return left + wrap(flag.help, kHelpColumn, kColumns - kHelpColumn) + "\n";
}

constexpr std::pair<Group, std::string_view> kGroups[] = {
    {Group::walls, "Walls"},     {Group::view, "View"},         {Group::limits, "Limits"},
    {Group::network, "Network"}, {Group::terminal, "Terminal"}, {Group::output, "Output"}};

}  // namespace

std::string wrap(std::string_view text, size_t indent, size_t width) {
  std::string out;
  size_t column = 0;
  while (!text.empty()) {
    const size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
    if (column > 0 && column + 1 + word.size() > width) {
      out += '\n';
      out.append(indent, ' ');
      column = 0;
    } else if (column > 0) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

std::string overview() {
  std::string out =
      "Usage: sandstone COMMAND [ARG...]\n\n"
      "Runs a program that you do not trust behind as many walls as you choose, and\n"
      "proves what each wall does.\n\n"
      "Commands:\n";
  for (const auto& command : commands()) out += fmt::format("  {:<10}{}\n", command.name, command.summary);
  out +=
      "\n'sandstone COMMAND --help' explains a command. A first try:\n"
      "  sandstone run -- python3 -c 'print(\"hello from the sandbox\")'\n";
  return out;
}

std::string describe(std::string_view usage, std::string_view about, std::span<const Flag* const> flags) {
  std::string out = fmt::format("Usage: {}\n\n{}\n", usage, wrap(about, 0, kColumns));
  for (const auto& [group, title] : kGroups) {
    std::string lines;
    for (const Flag* flag : flags)
      if (flag->group == group) lines += describe_flag(*flag);
    if (!lines.empty()) out += fmt::format("\n{}:\n{}", title, lines);
  }
  return out;
}

}  // namespace sandstone::cli
