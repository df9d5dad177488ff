#include "walls/cgroup_files.h"

#include <gtest/gtest.h>

namespace sandstone::walls {
namespace {

std::vector<std::string> paths(const std::vector<GroupMount>& mounts, const std::string& own) {
  std::vector<std::string> result;
  for (const auto& folder : group_folders(mounts, own)) result.push_back(folder.path);
  return result;
}

using Paths = std::vector<std::string>;

TEST(OwnGroup, IsTheLineOfTheUnifiedHierarchy) {
  EXPECT_EQ(own_group("0::/user.slice/user-1000.slice/session-3.scope\n"),
            "/user.slice/user-1000.slice/session-3.scope");
  EXPECT_EQ(own_group("12:pids:/p\n1:name=systemd:/s\n0::/\n"), "/");
  EXPECT_EQ(own_group("0::/../outside"), "/../outside");
}

TEST(OwnGroup, IsNothingWithoutSuchALine) {
  EXPECT_EQ(own_group(""), std::nullopt);
  EXPECT_EQ(own_group("\n\n"), std::nullopt);
  EXPECT_EQ(own_group("4:memory:/m\n"), std::nullopt);
  EXPECT_EQ(own_group("0::relative\n"), std::nullopt);
  EXPECT_EQ(own_group("10::/ten\n0:"), std::nullopt);
}

TEST(OwnGroup, ANameOfAnotherHierarchyCannotPassForIt) {
  EXPECT_EQ(own_group("9:name=0::/fake:/a\n0::/real\n"), "/real");
  EXPECT_EQ(own_group("9:name=x:/0::/fake\n"), std::nullopt);
}

TEST(GroupMounts, AreThoseOfVersionTwo) {
  const auto mounts = group_mounts(
      "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
      "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 master:1 - cgroup2 cgroup2 rw,nsdelegate\n"
      "42 31 0:38 /a\\040b /mnt/with\\040space rw - cgroup2 none rw\n");
  ASSERT_EQ(mounts.size(), 2U);
  EXPECT_EQ(mounts[0].point, "/sys/fs/cgroup/unified");
  EXPECT_EQ(mounts[0].root, "/");
  EXPECT_EQ(mounts[1].point, "/mnt/with space");
  EXPECT_EQ(mounts[1].root, "/a b");
}

TEST(GroupMounts, OddLinesAreNoMounts) {
  for (const char* line :
       {"", "-", "- cgroup2", "1 2 3 4 5 6 -", "1 2 0:3 / /p rw -", "1 2 0:3 / /p - cgroup2 x rw",
        "1 2 0:3 / /p rw x cgroup2 x rw", "1 2 0:3 relative /p rw - cgroup2 x rw",
        "1 2 0:3 / relative rw - cgroup2 x rw", "1 2 0:3 / /cgroup2 rw - tmpfs cgroup2 rw"})
    EXPECT_TRUE(group_mounts(line).empty()) << line;
  EXPECT_EQ(group_mounts("1 2 0:3 / /p\\04 rw - cgroup2 x rw")[0].point, "/p\\04")
      << "a cut-off escape is text";
}

TEST(GroupFolders, AreTheOwnAndAllAboveIt) {
  const std::vector<GroupMount> mounts = {{"/sys/fs/cgroup", "/"}};
  EXPECT_EQ(paths(mounts, "/a/b"), (Paths{"/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"}));
  EXPECT_EQ(paths(mounts, "/"), Paths{"/sys/fs/cgroup"});
  EXPECT_EQ(paths({{"/", "/"}}, "/a"), (Paths{"/a", "/"}));
  const auto folders = group_folders(mounts, "/a/b");
  EXPECT_TRUE(folders[0].own);
  EXPECT_FALSE(folders[1].own);
  EXPECT_FALSE(folders[2].own);
}

TEST(GroupFolders, FollowWhatTheMountShows) {
  EXPECT_EQ(paths({{"/cg", "/docker/1234"}}, "/docker/1234/job"), (Paths{"/cg/job", "/cg"}));
  EXPECT_EQ(paths({{"/cg", "/docker/1234"}}, "/docker/1234"), Paths{"/cg"});
  EXPECT_TRUE(paths({{"/cg", "/docker/1234"}}, "/docker/12345").empty())
      << "a prefix of the name is not the group";
  EXPECT_TRUE(paths({{"/cg", "/docker/1234"}}, "/docker").empty());
  EXPECT_EQ(paths({{"/no", "/x"}, {"/cg", "/"}}, "/y"), (Paths{"/cg/y", "/cg"}));
}

TEST(GroupFolders, NeverClimbOutOfTheMount) {
  EXPECT_TRUE(paths({{"/cg", "/"}}, "/../other").empty());
  EXPECT_TRUE(paths({{"/cg", "/a"}}, "/a/../../b").empty());
  EXPECT_EQ(paths({{"/cg", "/.."}}, "/../other"), (Paths{"/cg/other", "/cg"}))
      << "mounted outside of the namespace";
}

TEST(Words, AreWhole) {
  EXPECT_TRUE(has_word("cpuset cpu io memory pids\n", "cpu"));
  EXPECT_TRUE(has_word("memory", "memory"));
  EXPECT_FALSE(has_word("cpuset io\n", "cpu"));
  EXPECT_FALSE(has_word("", "cpu"));
}

TEST(Counter, IsTheValueOfItsKey) {
  const char* events = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n";
  EXPECT_EQ(counter(events, "oom_kill"), 2U);
  EXPECT_EQ(counter(events, "oom"), 3U);
  EXPECT_EQ(counter(events, "oom_kil"), 0U);
}

TEST(Counter, IsNothingWhereThereIsNoNumber) {
  for (const char* text :
       {"", "max", "max ", "max x", "max -1", "max 1x", "max 99999999999999999999", "xmax 4"})
    EXPECT_EQ(counter(text, "max"), 0U) << text;
  EXPECT_EQ(counter("max 18446744073709551615", "max"), UINT64_MAX);
}

TEST(CpuMax, IsAQuotaOfThePeriod) {
  EXPECT_EQ(cpu_max(1.5), "150000 100000");
  EXPECT_EQ(cpu_max(0.333), "33300 100000");
  EXPECT_EQ(cpu_max(0.01), "1000 100000");
  EXPECT_EQ(cpu_max(4096), "409600000 100000");
}

}  // namespace
}  // namespace sandstone::walls
