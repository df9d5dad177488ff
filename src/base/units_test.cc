#include "base/units.h"

#include <gtest/gtest.h>

namespace sandstone {
using std::chrono::milliseconds;

TEST(ParseSize, ReadsDockersForms) {
  EXPECT_EQ(parse_size("4096"), 4096);
  EXPECT_EQ(parse_size("64m"), 64ULL << 20);
  EXPECT_EQ(parse_size("64M"), 64ULL << 20);
  EXPECT_EQ(parse_size("2KiB"), 2048);
  EXPECT_EQ(parse_size("1.5g"), 3ULL << 29);
  EXPECT_EQ(parse_size("7b"), 7);
}

TEST(ParseSize, RefusesTheRest) {
  for (const char* text : {"", "m", "-1", "+1", " 1", "1 m", "1x", "1mm", "1bb", "0x10", "nan", "inf",
                           "99999999999999999999", "8192p"})
    EXPECT_FALSE(parse_size(text)) << text;
}

TEST(ParseDuration, ReadsTimeoutsForms) {
  EXPECT_EQ(parse_duration("1s"), milliseconds(1000));
  EXPECT_EQ(parse_duration("10"), milliseconds(10000));
  EXPECT_EQ(parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(parse_duration("1.5m"), milliseconds(90000));
  EXPECT_EQ(parse_duration("2h"), milliseconds(7200000));
  EXPECT_EQ(parse_duration("0.0001s"), milliseconds(1)) << "never rounds to nothing";
  for (const char* text : {"", "s", "-1s", "1y", "1 s", "1e400"}) EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Format, ReadsWell) {
  EXPECT_EQ(format_size(64ULL << 20), "64 MiB");
  EXPECT_EQ(format_size(1536), "1.5 KiB");
  EXPECT_EQ(format_duration(milliseconds(2000)), "2 s");
  EXPECT_EQ(format_duration(milliseconds(1500)), "1.5 s");
}

}  // namespace sandstone
