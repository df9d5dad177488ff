#include "base/names_file.h"

#include <gtest/gtest.h>

namespace sandstone {
namespace {

constexpr std::string_view kFile = "root:x:0:0::/root:/bin/sh\nab:x:7:8\na:x:9:\n\n:\n";

TEST(NamesFile, FindsALineByItsWholeField) {
  EXPECT_EQ(find_fields(kFile, 0, "a")[2], "9");
  EXPECT_EQ(find_fields(kFile, 2, "7")[0], "ab");
  EXPECT_EQ(find_fields(kFile, 0, "root").size(), 7U);
}

TEST(NamesFile, FindsNothingElse) {
  for (const char* name : {"ro", "roots", "x", "root:x"})
    EXPECT_TRUE(find_fields(kFile, 0, name).empty()) << name;
  EXPECT_TRUE(find_fields(kFile, 9, "").empty());
  EXPECT_TRUE(find_fields("", 0, "root").empty());
}

TEST(NamesFile, SplitsAtEverySeparator) {
  EXPECT_EQ(split("a,,b,", ','), (std::vector<std::string_view>{"a", "", "b", ""}));
  EXPECT_EQ(split("", ','), std::vector<std::string_view>{""});
}

}  // namespace
}  // namespace sandstone
