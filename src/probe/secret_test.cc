#include "probe/program/secret.h"

#include <gtest/gtest.h>

namespace sandstone::probe_program {
namespace {

TEST(Secret, IsFoundWhereverItStandsAndOnlyIfItIsTheSame) {
  const std::string secret = make_secret();
  const uint64_t mark = fingerprint(secret);
  EXPECT_TRUE(contains_secret(secret, mark));
  EXPECT_TRUE(contains_secret("noise\n" + secret + "noise", mark));
  EXPECT_TRUE(contains_secret(make_secret() + secret, mark)) << "behind another one";
  EXPECT_FALSE(contains_secret(make_secret(), mark));
  EXPECT_FALSE(contains_secret(secret.substr(0, secret.size() - 1), mark));
  EXPECT_FALSE(contains_secret("", mark));
  EXPECT_NE(make_secret(), secret);
}

}  // namespace
}  // namespace sandstone::probe_program
