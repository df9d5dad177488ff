#include "image/wire.h"

#include <gtest/gtest.h>

#include "image/config.h"

namespace sandstone::image {

TEST(ImageWire, RequestsArriveAsTheyWereSent) {
  ImageRequest request{Task::import_archive, "a \"name\"", 1ULL << 40,   ImageOwner::map, 1000,
                       UINT32_MAX,           "x:1",        "linux/arm64"};
  auto read = decode_request(encode(request));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, request);
  request.size.reset();
  EXPECT_EQ(*decode_request(encode(request)), request);
}

TEST(ImageWire, RepliesArriveAsTheyWereSent) {
  ImageSummary summary{1, 2, 3, ImageConfig{{"e"}, {"c", ""}, {"A=b"}, "/w", "u"}};
  auto read = decode_reply(encode(summary));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->bytes, 1U);
  EXPECT_EQ(read->used, 2U);
  EXPECT_EQ(read->entries, 3U);
  EXPECT_EQ(read->config, summary.config);
  auto error = decode_reply(encode(Error{"where", "what \xff", "remedy"}));
  ASSERT_FALSE(error);
  EXPECT_EQ(error.error().where, "where");
  EXPECT_EQ(error.error().remedy, "remedy");
}

TEST(ImageWire, NothingElseIsTaken) {
  for (const char* text :
       {"", "{", "[]", "7", "{}", R"({"bytes": -1, "used": 2, "entries": 3})",
        R"({"bytes": 1, "used": "2", "entries": 3})", R"({"bytes": 1, "used": 2, "entries": 3, "config": 7})",
        R"({"bytes": 1, "used": 2, "entries": 3, "config": {"Cmd": 7}})"}) {
    EXPECT_FALSE(decode_reply(text)) << text;
    EXPECT_FALSE(decode_request(text)) << text;
  }
}

TEST(ImageConfigArea, HoldsWhatFits) {
  ImageConfig config;
  config.cmd = {std::string(1000, 'x')};
  auto area = config_area(config);
  ASSERT_TRUE(area);
  EXPECT_EQ(area->size(), kConfigArea);
  config.cmd = {std::string(kConfigArea, 'x')};
  EXPECT_FALSE(config_area(config));
  EXPECT_EQ(*parse_config(config_text(config), "x"), config);
}

}  // namespace sandstone::image
