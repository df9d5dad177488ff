#include "cli/arguments.h"

#include <gtest/gtest.h>

namespace sandstone::cli {
namespace {

constexpr Flag kVolume{"volume", 'v', 1, "SRC:DST", "", Group::view};
constexpr Flag kBind{"bind", 0, 2, "SRC DST", "", Group::view};
constexpr Flag kInteractive{"interactive", 'i', 0, "", "", Group::terminal};
constexpr Flag kTerminal{"terminal", 't', 0, "", "", Group::terminal};
constexpr const Flag* kFlags[] = {&kVolume, &kBind, &kInteractive, &kTerminal};

// "flag=value,second ... | word ...", or the error.
std::string parse(std::vector<std::string> words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size());
  for (auto& word : words) pointers.push_back(word.data());
  auto arguments = parse_arguments(kFlags, pointers);
  if (!arguments) return arguments.error().line();
  std::string out;
  for (const auto& argument : arguments->given) {
    out += std::string(argument.flag->name) + "=" + std::string(argument.value);
    if (!argument.second.empty()) out += "," + std::string(argument.second);
    out += " ";
  }
  out += "|";
  for (const char* word : arguments->words) out += std::string(" ") + word;
  return out;
}

}  // namespace

TEST(ParseArguments, StopsAtTheCommand) {
  EXPECT_EQ(parse({"-v", "a:b", "python3", "-c", "x", "-i"}), "volume=a:b | python3 -c x -i");
  EXPECT_EQ(parse({"-i", "--", "-v", "--", "x"}), "interactive=true | -v -- x");
  EXPECT_EQ(parse({"-"}), "| -") << "a lone dash is a word";
  EXPECT_EQ(parse({""}), "| ");
  EXPECT_EQ(parse({}), "|");
}

TEST(ParseArguments, ReadsEveryFormOfAValue) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--volume", "a:b"}, {"--volume=a:b"}, {"-v", "a:b"}, {"-va:b"}, {"-v=a:b"}})
    EXPECT_EQ(parse(words), "volume=a:b |") << words[0];
  EXPECT_EQ(parse({"--bind", "a", "b", "c"}), "bind=a,b | c");
  EXPECT_EQ(parse({"--bind=a", "b", "c"}), "bind=a,b | c");
  EXPECT_EQ(parse({"--volume="}), "volume= |");
}

TEST(ParseArguments, ReadsSwitches) {
  EXPECT_EQ(parse({"-it", "sh"}), "interactive=true terminal=true | sh");
  EXPECT_EQ(parse({"-itv", "a:b", "sh"}), "interactive=true terminal=true volume=a:b | sh");
  EXPECT_EQ(parse({"--terminal=false"}), "terminal=false |");
  EXPECT_EQ(parse({"--terminal=no"}), "--terminal: 'no' is not a value for a switch (true or false)");
}

TEST(ParseArguments, RefusesInOneLine) {
  EXPECT_EQ(parse({"--volmue", "a"}), "--volmue: unknown option (did you mean --volume?)");
  EXPECT_EQ(parse({"--zzzzzz"}), "--zzzzzz: unknown option (--help lists them)");
  EXPECT_EQ(parse({"-x"}), "-x: unknown option (--help lists them)");
  EXPECT_EQ(parse({"-v"}), "-v: needs a value (SRC:DST)");
  EXPECT_EQ(parse({"--bind", "a"}), "--bind: needs a value (SRC DST)");
  EXPECT_EQ(parse({"--\x1b[31m"}), "--\\x1b[31m: unknown option (--help lists them)");
}

}  // namespace sandstone::cli
