// Ids: ranges, squashing, and who new files belong to.
#include <gtest/gtest.h>

#include "devices/fs/ids.h"
#include "devices/fs/test_client.h"

namespace sandstone::fs {
namespace {

Options mapped(std::vector<IdRange> ranges) {
  Options options;
  options.read_only = false;
  options.uids = ranges;
  options.gids = std::move(ranges);
  return options;
}

struct stat host(const Served& served, const char* name) {
  struct stat out{};
  EXPECT_EQ(::lstat((served.path() / name).c_str(), &out), 0) << name;
  return out;
}

int change_owner(Served& served, uint64_t node, uint32_t uid, uint32_t gid) {
  fuse_setattr_in in{};
  in.valid = FATTR_UID | FATTR_GID;
  in.uid = uid;
  in.gid = gid;
  return served.setattr(node, in).error;
}

}  // namespace

TEST(FuseOwner, RangesMapBothWays) {
  const IdMap map({{0, 100000, 1000}, {1000, 1000, 1}});
  EXPECT_EQ(map.fault(), nullptr);
  EXPECT_EQ(map.to_guest(100005), 5U);
  EXPECT_EQ(map.to_guest(1000), 1000U);
  EXPECT_EQ(map.to_guest(0), kNobody);
  EXPECT_EQ(map.to_host(999), 100999U);
  EXPECT_EQ(map.to_host(1001), std::nullopt);
  EXPECT_EQ(map.to_host(kNobody), std::nullopt);
}

TEST(FuseOwner, InodeNumbersOfTwoFileSystemsDiffer) {
  InodeNumbers numbers(7);
  EXPECT_EQ(numbers.to_guest(7, 5), 5U);
  EXPECT_NE(numbers.to_guest(8, 5), 5U);
  EXPECT_EQ(numbers.to_guest(8, 5), numbers.to_guest(8, 5));
  EXPECT_NE(numbers.to_guest(7, UINT64_MAX), numbers.to_guest(8, UINT64_MAX));
  for (uint64_t device = 100; device < 70000; ++device) numbers.to_guest(device, 1);  // bounded
  EXPECT_NE(numbers.to_guest(69998, 1), numbers.to_guest(69999, 1));
}

TEST(FuseOwner, SquashedFilesHaveTheOneOwner) {
  Options options = Served::writable();
  options.squash = Squash{1234, 567};
  Served served(std::move(options));
  const auto made = served.create("a", O_RDWR, 0640, FUSE_ROOT_ID, 0, 0).as<fuse_entry_out>();
  EXPECT_EQ(made.attr.uid, 1234U);
  EXPECT_EQ(made.attr.gid, 567U);
  EXPECT_EQ(host(served, "a").st_uid, ::geteuid());
  EXPECT_EQ(change_owner(served, made.nodeid, 1234, 567), 0);
  EXPECT_EQ(change_owner(served, made.nodeid, 0, 567), EPERM);
  EXPECT_EQ(host(served, "a").st_uid, ::geteuid());
}

TEST(FuseOwner, OrAcceptAnyAndKeepTheOne) {
  Options options = Served::writable();
  options.squash = Squash{.uid = 0, .gid = 0, .lenient = true};
  Served served(std::move(options));
  const auto made = served.create("a", O_RDWR, 0640, FUSE_ROOT_ID, 0, 0).as<fuse_entry_out>();
  EXPECT_EQ(change_owner(served, made.nodeid, 5, 6), 0);
  EXPECT_EQ(served.getattr(made.nodeid).as<fuse_attr_out>().attr.uid, 0U);
  EXPECT_EQ(host(served, "a").st_uid, ::geteuid());
}

TEST(FuseOwner, AMappedFileBelongsToItsMaker) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving files away takes root";
  Served served(mapped({{0, 100000, 1000}}));
  std::ofstream(served.path() / "roots") << "x";
  EXPECT_EQ(served.lookup("roots").as<fuse_entry_out>().attr.uid, kNobody);

  const auto made = served.create("a", O_RDWR, 0604, FUSE_ROOT_ID, 5, 6).as<fuse_entry_out>();
  EXPECT_EQ(made.attr.uid, 5U);
  EXPECT_EQ(made.attr.gid, 6U);
  EXPECT_EQ(host(served, "a").st_uid, 100005U);
  EXPECT_EQ(host(served, "a").st_gid, 100006U);
  EXPECT_EQ(host(served, "a").st_mode & 07777U, 0604U);
  EXPECT_TRUE(served.call(FUSE_MKDIR, 1, bytes_of(fuse_mkdir_in{0751, 0}) + terminated("d"), 7, 8).ok());
  EXPECT_EQ(host(served, "d").st_uid, 100007U);
  EXPECT_EQ(host(served, "d").st_mode & 07777U, 0751U);
  EXPECT_TRUE(served.call(FUSE_SYMLINK, 1, terminated("l") + terminated("to"), 9, 9).ok());
  EXPECT_EQ(host(served, "l").st_uid, 100009U);
  const fuse_mknod_in fifo{S_IFIFO | 0622, 0, 0, 0};
  EXPECT_TRUE(served.call(FUSE_MKNOD, 1, bytes_of(fifo) + terminated("f"), 9, 9).ok());
  EXPECT_EQ(host(served, "f").st_uid, 100009U);
  EXPECT_EQ(host(served, "f").st_mode & 07777U, 0622U);

  // Callers and owners outside of the range: refused before anything is made.
  EXPECT_EQ(served.create("b", O_RDWR, 0644, FUSE_ROOT_ID, 1000, 0).error, EPERM);
  EXPECT_EQ(served.create("b", O_RDWR, 0644, FUSE_ROOT_ID, 0, UINT32_MAX).error, EPERM);
  EXPECT_FALSE(std::filesystem::exists(served.path() / "b"));
  EXPECT_EQ(change_owner(served, made.nodeid, kNobody, 0), EPERM);
  EXPECT_EQ(change_owner(served, made.nodeid, 8, 0), 0);
  EXPECT_EQ(host(served, "a").st_uid, 100008U);
}

TEST(FuseOwner, ASetGroupIdFolderGivesItsGroup) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving files away takes root";
  Served served(mapped({{0, 100000, 1000}}));
  std::filesystem::create_directory(served.path() / "d");
  ASSERT_EQ(::chown((served.path() / "d").c_str(), 100000, 100077), 0);
  ASSERT_EQ(::chmod((served.path() / "d").c_str(), 02775), 0);
  const uint64_t d = served.node("d");
  EXPECT_EQ(served.create("a", O_RDWR, 0644, d, 5, 6).as<fuse_entry_out>().attr.gid, 77U);
  EXPECT_TRUE(served.call(FUSE_MKDIR, d, bytes_of(fuse_mkdir_in{0755, 0}) + terminated("e"), 5, 6).ok());
  EXPECT_EQ(host(served, "d/e").st_mode & 07777U, 02755U);
  EXPECT_EQ(host(served, "d/e").st_gid, 100077U);
}

TEST(FuseOwner, AnOrdinaryUserMakesOnlyHisOwn) {
  if (::geteuid() == 0) GTEST_SKIP() << "for an ordinary user";
  Options options = mapped({});
  options.uids = {{0, ::geteuid(), 1}, {1, 100000, 10}};
  options.gids = {{0, ::getegid(), 1}, {1, 100000, 10}};
  Served served(std::move(options));
  EXPECT_EQ(served.create("a", O_RDWR).as<fuse_entry_out>().attr.uid, 0U);
  EXPECT_EQ(served.create("b", O_RDWR, 0644, FUSE_ROOT_ID, 1, 1).error, EPERM);
  EXPECT_FALSE(std::filesystem::exists(served.path() / "b"));
  EXPECT_EQ(change_owner(served, served.node("a"), 1, 1), EPERM);
}

}  // namespace sandstone::fs
