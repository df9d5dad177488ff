#include "spec/config_values.h"

#include <gtest/gtest.h>

#include <limits>

namespace sandstone {

TEST(ParseVolume, ReadsDockersForms) {
  auto mount = parse_volume("/a:/b", "/here");
  ASSERT_TRUE(mount) << mount.error().line();
  EXPECT_EQ(mount->source, "/a");
  EXPECT_EQ(mount->destination, "/b");
  EXPECT_EQ(mount->access, Access::read_write);
  EXPECT_EQ(parse_volume("/a:/b:ro", "/here").value().access, Access::read_only);
  EXPECT_EQ(parse_volume("/a:/b:rw", "/here").value().access, Access::read_write);
}

TEST(ParseVolume, RelativeFoldersStartAtTheCallers) {
  EXPECT_EQ(parse_volume(".:/b", "/here").value().source, "/here");
  EXPECT_EQ(parse_volume("./data:/b", "/here").value().source, "/here/data");
  EXPECT_EQ(parse_volume("../data:/b", "/here").value().source, "/here/../data");
  EXPECT_EQ(parse_volume("./data:/b", "/").value().source, "/data");
}

TEST(ParseVolume, RefusesNamedVolumesAndOddForms) {
  const auto named = parse_volume("data:/b", "/here");
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().line(), "'data' is a name, and there are no named volumes (./data for a folder)");
  for (const char* text : {"", ":", "/a", "/a:", ":/b", "/a:/b:", "/a:/b:z", "/a:/b:ro:x", "~/a:/b"})
    EXPECT_FALSE(parse_volume(text, "/here")) << text;
}

TEST(ParseTmpfs, ReadsSizes) {
  EXPECT_EQ(parse_tmpfs("/t").value().size_bytes, 0);
  EXPECT_EQ(parse_tmpfs("/t:64m").value().size_bytes, 64U << 20);
  EXPECT_EQ(parse_tmpfs("/t:size=64m").value().size_bytes, 64U << 20);
  for (const char* text : {"/t:", "/t:size=", "/t:mode=1777", "/t:0", "/t:64m:64m"})
    EXPECT_FALSE(parse_tmpfs(text)) << text;
}

TEST(ParseUlimit, ReadsDockersForms) {
  const auto both = parse_ulimit("nofile=10:20");
  ASSERT_TRUE(both);
  EXPECT_EQ(both.value().soft, 10);
  EXPECT_EQ(both.value().hard, 20);
  EXPECT_EQ(parse_ulimit("core=0").value().hard, 0);
  EXPECT_EQ(parse_ulimit("stack=unlimited").value().soft, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(format_ulimit(parse_ulimit("stack=5:-1").value()), "stack=5:unlimited");
  for (const char* text :
       {"", "nofile", "nofile=", "nofile=-2", "nofile=1:2:3", "nofile=2:1", "files=1", "nofile=1m", "=1"})
    EXPECT_FALSE(parse_ulimit(text)) << text;
}

TEST(ParseForward, ReadsDockersForms) {
  EXPECT_EQ(format_forward(parse_forward("8080:80").value()), "127.0.0.1:8080:80/tcp");
  EXPECT_EQ(format_forward(parse_forward("0.0.0.0:8080:80/udp").value()), "0.0.0.0:8080:80/udp");
  for (const char* text : {"", "80", "80:", ":80", "0:80", "65536:80", "80:80/sctp", "80:80/", "a:80:80",
                           "[::1]:80:80", "1:2:3:4", "+1:80"})
    EXPECT_FALSE(parse_forward(text)) << text;
}

TEST(ParseNumber, TakesWholeTextsOnly) {
  EXPECT_EQ(parse_number("1.5").value(), 1.5);
  for (const char* text : {"", "1.5x", "nan", "inf", " 1", "1,5"}) EXPECT_FALSE(parse_number(text)) << text;
  EXPECT_EQ(parse_count("4294967295").value(), 4294967295U);
  for (const char* text : {"", "-1", "1.0", "4294967296"}) EXPECT_FALSE(parse_count(text)) << text;
}

}  // namespace sandstone
