#include "cli/help.h"

#include <gtest/gtest.h>

#include <sstream>

namespace sandstone::cli {
namespace {

std::string run_help() {
  std::vector<const Flag*> flags;
  for (const auto& setting : settings())
    if (!setting.flag.name.empty()) flags.push_back(&setting.flag);
  return describe("sandstone run", "about", flags);
}

}  // namespace

TEST(Help, FitsTheScreen) {
  std::istringstream text(run_help() + overview());
  for (std::string line; std::getline(text, line);) EXPECT_LE(line.size(), 80) << line;
}

TEST(Help, NamesEverySetting) {
  const std::string text = run_help();
  for (const auto& setting : settings()) {
    const std::string flag = "--" + std::string(setting.flag.name);
    EXPECT_NE(text.find(flag), std::string::npos) << flag;
  }
}

TEST(Settings, HaveOneNameEach) {
  for (const auto& a : settings()) {
    EXPECT_EQ(find_key(a.key), &a) << a.key << " is there twice";
    if (a.flag.name.empty()) continue;
    std::string flag(a.flag.name);
    for (char& c : flag)
      if (c == '-') c = '_';
    EXPECT_EQ(flag, a.key) << "a flag and its key must not differ";
    for (const auto& b : settings())
      EXPECT_TRUE(&a == &b || a.flag.letter == 0 || a.flag.letter != b.flag.letter) << a.key;
  }
}

}  // namespace sandstone::cli
