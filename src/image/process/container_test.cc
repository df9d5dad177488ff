#include "image/process/container.h"

#include <gtest/gtest.h>

namespace sandstone::image {

TEST(ImageNames, AreCompletedAsDockerDoes) {
  for (const char* name : {"alpine", "alpine:latest", "library/alpine", "docker.io/library/alpine",
                           "docker.io/library/alpine:latest"})
    EXPECT_TRUE(same_image("docker.io/library/alpine:latest", name)) << name;
  EXPECT_TRUE(same_image("v1", "v1"));
  EXPECT_TRUE(same_image("localhost/x:latest", "localhost/x"));
  EXPECT_TRUE(same_image("host:5000/x:latest", "host:5000/x"));
  EXPECT_FALSE(same_image("alpine:3", "alpine"));
  EXPECT_FALSE(same_image("ghcr.io/library/alpine", "alpine"));
}

TEST(ImagePlatform, IsReadAsDockersIs) {
  auto arm = Platform::parse("linux/arm64/v8");
  ASSERT_TRUE(arm);
  EXPECT_EQ(arm->text(), "linux/arm64/v8");
  EXPECT_FALSE(Platform::parse("")->architecture.empty());
  for (const char* text : {"amd64", "/amd64", "linux/", "linux/arm/", "linux/arm/v7/x"})
    EXPECT_FALSE(Platform::parse(text)) << text;
}

TEST(ImageBlobs, PathsAreCleaned) {
  EXPECT_EQ(clean_path("./a//b/../c"), "a/c");
  EXPECT_EQ(clean_path("/a/"), "a");
  EXPECT_EQ(clean_path(""), "");
  EXPECT_EQ(clean_path("a/../../b"), "..");
}

}  // namespace sandstone::image
