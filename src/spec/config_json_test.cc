#include "spec/config_json.h"

#include <gtest/gtest.h>

namespace sandstone {
namespace {

std::string refusal(const std::string& text) {
  const auto json = parse_json(text, "f");
  return json ? "accepted" : json.error().line();
}

std::string repeat(const char* text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

}  // namespace

TEST(ParseJson, KeepsTheOrderOfKeys) {
  EXPECT_EQ(parse_json(R"({"b": 1, "a": [1.5, "x", null, true, -2]})", "f").value().dump(),
            R"({"b":1,"a":[1.5,"x",null,true,-2]})");
}

TEST(ParseJson, SaysWhereItStops) {
  EXPECT_EQ(refusal("{\n  \"a\": 1,\n  b\n}"), "f:3:3: this is not JSON: expected string literal");
  EXPECT_EQ(refusal("").substr(0, 24), "f:1:1: this is not JSON:");
  EXPECT_EQ(refusal("{} x").substr(0, 24), "f:1:4: this is not JSON:");
  EXPECT_EQ(refusal("1e999").substr(0, 23), "f:1:5: this is not JSON");
  EXPECT_EQ(refusal("\"\xff\"").substr(0, 22), "f:1:2: this is not JSO");
}

TEST(ParseJson, RefusesAKeyTwice) {
  EXPECT_EQ(refusal(R"({"a": 1, "b": {"c": 1, "c": 2}})"),
            "f: /b/c: the key is there twice (drop one of them)");
  EXPECT_EQ(refusal(R"([{"a": 1}, {"a": 1, "a": 1}])"), "f: /1/a: the key is there twice (drop one of them)");
}

TEST(ParseJson, RefusesNulBytes) {
  EXPECT_EQ(refusal(R"({"a": "x\u0000y"})"), "f: /a: holds a NUL byte");
  EXPECT_EQ(refusal(R"({"a\u0000": 1})").substr(0, 4), "f: /");
}

TEST(ParseJson, HasBounds) {
  EXPECT_TRUE(parse_json(repeat("[", kDeepestJson) + repeat("]", kDeepestJson), "f"));
  EXPECT_NE(refusal(repeat("[", kDeepestJson + 1)).find("nested deeper than 16 levels"), std::string::npos);
  EXPECT_NE(refusal(repeat("[", 500'000)).find("nested deeper"), std::string::npos);
  EXPECT_NE(refusal("[" + repeat("1,", kMostEntries + 1) + "1]").find("more than 4096 entries"),
            std::string::npos);
  EXPECT_EQ(refusal(std::string(kLargestJson + 1, ' ')), "f: larger than 1 MiB");
}

}  // namespace sandstone
