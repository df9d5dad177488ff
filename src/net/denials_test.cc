#include "net/denials.h"

#include <gtest/gtest.h>

#include <vector>

namespace sandstone::net {
namespace {

struct Told {
  std::vector<NetDenial> all;
  Denials denials{[this](const NetDenial& denial) { all.push_back(denial); }};
  [[nodiscard]] uint64_t total() const {
    uint64_t sum = 0;
    for (const NetDenial& denial : all) sum += denial.count;
    return sum;
  }
};

const Denials::Time kStart{std::chrono::hours(1)};

}  // namespace

TEST(NetDenials, TellsTheFirstAtOnce) {
  Told told;
  told.denials.add("connect", "10.0.0.1:80/tcp", kStart);
  ASSERT_EQ(told.all.size(), 1U);
  EXPECT_EQ(told.all[0].operation, "connect");
  EXPECT_EQ(told.all[0].subject, "10.0.0.1:80/tcp");
  EXPECT_FALSE(told.denials.pending());
}

TEST(NetDenials, AFloodIsCountedAndNoneIsLost) {
  Told told;
  for (int i = 0; i < 100000; ++i) told.denials.add("connect", "10.0.0.1:80/tcp", kStart);
  EXPECT_EQ(told.all.size(), Denials::kPerSecond);
  EXPECT_TRUE(told.denials.pending());
  told.denials.tick(kStart + std::chrono::milliseconds(999));
  EXPECT_EQ(told.all.size(), Denials::kPerSecond);
  told.denials.tick(kStart + std::chrono::seconds(1));
  EXPECT_EQ(told.all.size(), Denials::kPerSecond + 1);
  EXPECT_EQ(told.total(), 100000U);
}

TEST(NetDenials, AFloodOfSubjectsIsBounded) {
  Told told;
  for (int i = 0; i < 100000; ++i)
    told.denials.add("dns", std::to_string(i) + std::string(10000, 'x'), kStart);
  told.denials.flush();
  EXPECT_EQ(told.all.size(), Denials::kPerSecond + Denials::kSubjects + 1);
  EXPECT_EQ(told.total(), 100000U);
  for (const NetDenial& denial : told.all) EXPECT_LE(denial.subject.size(), Denials::kSubjectBytes);
}

}  // namespace sandstone::net
