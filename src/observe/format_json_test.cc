#include <fcntl.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "observe/format.h"
#include "observe/traced_call.h"

namespace sandstone::observe {
namespace {

TEST(TraceJson, IsWhatTheTextSays) {
  Record record = pretended(-ENOENT, SYS_openat, AT_FDCWD, "/no\"ne\n", O_RDONLY);
  record.pid = 7;
  record.tid = 8;
  record.time = 1'700'000'000'123'456'789;
  record.duration = 42;
  record.transport = Transport::notified;
  const auto json = nlohmann::json::parse(format_json(record));
  EXPECT_EQ(json["name"], "openat");
  EXPECT_EQ(json["args"], (nlohmann::json{"AT_FDCWD", R"("/no\"ne\n")", "O_RDONLY"}));
  EXPECT_EQ(json["result"], -1);
  EXPECT_EQ(json["error"], "ENOENT");
  EXPECT_EQ(json["pid"], 7);
  EXPECT_EQ(json["tid"], 8);
  EXPECT_EQ(json["duration_ns"], 42);
  EXPECT_EQ(json["disposition"], "library");
  EXPECT_EQ(json["transport"], "notified");
  EXPECT_DOUBLE_EQ(json["time"], 1700000000.123456);
  record.no_result = 1;
  EXPECT_TRUE(nlohmann::json::parse(format_json(record))["result"].is_null());
}

// Whatever the record holds, its line is one line of printable ASCII, and its object is one.
TEST(TraceJson, AnyRecordIsOneLine) {
  uint64_t state = 1;
  const auto random = [&] { return state = state * 6364136223846793005U + 1442695040888963407U; };
  for (unsigned round = 0; round < 100000; ++round) {
    Record record;
    auto* words = reinterpret_cast<unsigned char*>(&record);
    for (size_t i = 0; i < sizeof record; ++i)
      words[i] = static_cast<unsigned char>(random() >> 56 & (round % 2 ? 7 : 255));
    record.number = static_cast<uint32_t>(random() >> 33) % 480;
    record.result = round % 4 != 0 ? static_cast<int64_t>(random() >> 57) : static_cast<int64_t>(random());
    const std::string text = format_text(record, {true, true, true, true});
    for (const char c : text) ASSERT_TRUE(c >= ' ' && c < 0x7f) << record.number << text;
    ASSERT_TRUE(nlohmann::json::accept(format_json(record))) << format_json(record);
  }
}

}  // namespace
}  // namespace sandstone::observe
