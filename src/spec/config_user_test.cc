#include "spec/config_user.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace sandstone {
namespace {

class ResolveUser : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sandstone-user-XXXXXX";
    root_ = ::mkdtemp(name);
    std::filesystem::create_directory(root_ + "/etc");
    write("passwd",
          "# a "
          "comment\nroot:x:0:0:root:/root:/bin/sh\nana:x:1001:1002::/home/ana:/bin/sh\nbad:x:-1:0::/"
          ":\nshort:x:5\n");
    write("group", "root:x:0:\nstaff:x:50:ana\n");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(root_ + "/etc/" + name) << text;
  }

  std::string resolve(const char* text) const {
    const auto user = resolve_user(text, root_);
    return user ? std::to_string(user.value().uid) + ":" + std::to_string(user.value().gid)
                : user.error().what;
  }

  std::string root_;
};

}  // namespace

TEST_F(ResolveUser, TakesNumbersAsTheyAre) {
  EXPECT_EQ(resolve("0"), "0:0");
  EXPECT_EQ(resolve("1234"), "1234:1234");
  EXPECT_EQ(resolve("1234:5"), "1234:5");
  EXPECT_EQ(resolve("4294967295"), "'4294967295' is not an id");
  EXPECT_EQ(resolve("1:4294967295"), "'4294967295' is not an id");
}

TEST_F(ResolveUser, LooksNamesUpInTheRootsOwnFiles) {
  EXPECT_EQ(resolve("ana"), "1001:1002");
  EXPECT_EQ(resolve("ana:staff"), "1001:50");
  EXPECT_EQ(resolve("ana:7"), "1001:7");
  EXPECT_EQ(resolve("7:staff"), "7:50");
  EXPECT_EQ(resolve("an"), "no user 'an' in " + root_ + "/etc/passwd");
  EXPECT_EQ(resolve("ana:staf"), "no group 'staf' in " + root_ + "/etc/group");
  EXPECT_EQ(resolve("bad"), "no user 'bad' in " + root_ + "/etc/passwd");
  EXPECT_EQ(resolve("short"), "no user 'short' in " + root_ + "/etc/passwd");
}

// A hostile rootfs must not make us read a file of the host's: here the link would find the host's user
// daemon.
TEST_F(ResolveUser, FollowsNoLinkOutOfTheRoot) {
  std::filesystem::remove(root_ + "/etc/passwd");
  const std::string up = "../../../../../../../../etc/passwd";
  ASSERT_TRUE(std::filesystem::exists(root_ + "/etc/" + up));
  std::filesystem::create_symlink(up, root_ + "/etc/passwd");
  ASSERT_NE(std::ifstream(root_ + "/etc/passwd").get(), EOF)
      << "followed plainly, the link leads to the host's file";
  EXPECT_NE(resolve("daemon").find("cannot look up names"), std::string::npos) << resolve("daemon");
}

TEST_F(ResolveUser, DoesNotWaitForAFifo) {
  std::filesystem::remove(root_ + "/etc/passwd");
  ASSERT_EQ(::mkfifo((root_ + "/etc/passwd").c_str(), 0644), 0);
  EXPECT_EQ(resolve("ana"), "'" + root_ + "/etc/passwd' is not a file");
}

TEST_F(ResolveUser, ReadsNoEndlessFile) {
  write("passwd", std::string((1 << 20) + 1, '\n'));
  EXPECT_EQ(resolve("ana"), "'" + root_ + "/etc/passwd' is larger than 1 MiB");
}

}  // namespace sandstone
