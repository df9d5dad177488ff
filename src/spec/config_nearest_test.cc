#include "spec/config_nearest.h"

#include <gtest/gtest.h>

#include <string>

namespace sandstone {

TEST(Nearest, FindsSlipsOfTheKeyboardOnly) {
  const std::vector<std::string_view> names = {"memory", "mounts", "tier", "-"};
  EXPECT_EQ(nearest("memroy", names), "memory");
  EXPECT_EQ(nearest("mount", names), "mounts");
  EXPECT_EQ(nearest("teir", names), "tier");
  EXPECT_EQ(nearest("something", names), "");
  EXPECT_EQ(nearest(std::string(100'000, 'm'), names), "");
}

}  // namespace sandstone
