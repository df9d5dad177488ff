// Folders: listings cut anywhere, positions that lie, and the bounds of what a guest may hold.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>
#include <set>

#include "devices/fs/host.h"
#include "devices/fs/test_client.h"

namespace sandstone::fs {
namespace {

struct Listed {
  std::string name;
  fuse_entry_out found;
  fuse_dirent entry;
};

std::vector<Listed> parse(const std::string& body, bool plus) {
  std::vector<Listed> out;
  for (size_t at = 0; at < body.size();) {
    Listed one{};
    const size_t start = at;
    if (plus) std::memcpy(&one.found, body.data() + at, sizeof one.found);
    if (plus) at += sizeof one.found;
    std::memcpy(&one.entry, body.data() + at, FUSE_NAME_OFFSET);
    one.name = body.substr(at + FUSE_NAME_OFFSET, one.entry.namelen);
    at = start + (plus ? sizeof one.found : 0) + FUSE_REC_ALIGN(FUSE_NAME_OFFSET + one.entry.namelen);
    EXPECT_LE(at, body.size());
    out.push_back(one);
  }
  return out;
}

uint64_t open_folder(Served& served, uint64_t node) {
  return served.call(FUSE_OPENDIR, node, bytes_of(fuse_open_in{})).as<fuse_open_out>().fh;
}

Answer list(Served& served, uint64_t node, uint64_t fh, uint64_t offset, uint32_t size, bool plus) {
  fuse_read_in in{};
  in.fh = fh;
  in.offset = offset;
  in.size = size;
  return served.call(plus ? FUSE_READDIRPLUS : FUSE_READDIR, node, bytes_of(in));
}

std::multiset<std::string> all_names(Served& served, uint64_t fh, uint32_t size, bool plus) {
  std::multiset<std::string> names;
  for (uint64_t offset = 0;;) {
    const Answer answer = list(served, FUSE_ROOT_ID, fh, offset, size, plus);
    EXPECT_TRUE(answer.ok()) << answer.error;
    const auto listed = parse(answer.body, plus);
    if (listed.empty()) return names;
    for (const Listed& one : listed) names.insert(one.name);
    offset = listed.back().entry.off;
  }
}

}  // namespace

TEST(FuseFolder, EveryNameIsListedOnceHoweverItIsCut) {
  Served served;
  std::multiset<std::string> expected{".", ".."};
  for (int i = 0; i < 500; ++i) {
    const std::string name = "name" + std::string(static_cast<size_t>(i % 200), 'x') + std::to_string(i);
    std::ofstream(served.path() / name) << "x";
    expected.insert(name);
  }
  const uint64_t fh = open_folder(served, FUSE_ROOT_ID);
  for (const bool plus : {false, true})
    for (const uint32_t size : {512U, 1000U, 4096U, 60000U, UINT32_MAX})
      EXPECT_EQ(all_names(served, fh, size, plus), expected) << size << plus;
  EXPECT_EQ(list(served, FUSE_ROOT_ID, fh, 0, 20, false).error, EINVAL);  // not even one fits
  EXPECT_EQ(list(served, FUSE_ROOT_ID, fh, 0, 0, false).error, EINVAL);
}

TEST(FuseFolder, PlusLooksUpAndIsForgotten) {
  Served served;
  for (const char* name : {"a", "b", "c"}) std::ofstream(served.path() / name) << "x";
  const uint64_t fh = open_folder(served, FUSE_ROOT_ID);
  const auto listed = parse(list(served, FUSE_ROOT_ID, fh, 0, 4096, true).body, true);
  ASSERT_EQ(listed.size(), 5U);
  EXPECT_EQ(served.server().usage().nodes, 4U);
  for (const Listed& one : listed) {
    if (one.name == "." || one.name == "..") {
      EXPECT_EQ(one.found.nodeid, 0U);
      EXPECT_EQ(one.entry.ino,
                served.getattr(FUSE_ROOT_ID).as<fuse_attr_out>().attr.ino);  // not the parent's
    } else {
      EXPECT_EQ(one.found.nodeid, served.node(one.name));
      EXPECT_EQ(one.entry.ino, one.found.attr.ino);
      served.forget(one.found.nodeid, 2);
    }
  }
  EXPECT_EQ(served.server().usage().nodes, 1U);
}

TEST(FuseFolder, PositionsThatWereNeverGivenOutDoNoHarm) {
  Served served;
  for (const char* name : {"a", "b", "c"}) std::ofstream(served.path() / name) << "x";
  const uint64_t fh = open_folder(served, FUSE_ROOT_ID);
  for (const uint64_t offset : {uint64_t{1}, uint64_t{0x7fffffff}, uint64_t{INT64_MAX}, UINT64_MAX}) {
    list(served, FUSE_ROOT_ID, fh, offset, 4096, true);
    list(served, FUSE_ROOT_ID, fh, offset, 4096, false);
  }
  EXPECT_EQ(all_names(served, fh, 4096, false).size(), 5U);
}

TEST(FuseFolder, AFolderIsNoFileAndAFileNoFolder) {
  Served served;
  std::ofstream(served.path() / "a") << "x";
  const uint64_t a = served.node("a");
  EXPECT_EQ(served.open(FUSE_ROOT_ID, O_RDONLY).error, EISDIR);
  EXPECT_EQ(served.call(FUSE_OPENDIR, a, bytes_of(fuse_open_in{})).error, ENOTDIR);
  EXPECT_EQ(served.lookup("x", a).error, ENOTDIR);
  const uint64_t fh = open_folder(served, FUSE_ROOT_ID);
  EXPECT_EQ(served.read(FUSE_ROOT_ID, fh, 0, 100).error, EBADF);
  EXPECT_EQ(served.write(FUSE_ROOT_ID, fh, 0, "x").error, EBADF);
  EXPECT_EQ(served.call(FUSE_RELEASE, FUSE_ROOT_ID, bytes_of(fuse_release_in{fh, 0, 0, 0})).error, EBADF);
  EXPECT_TRUE(served.call(FUSE_FSYNCDIR, FUSE_ROOT_ID, bytes_of(fuse_fsync_in{fh, 0, 0})).ok());
  EXPECT_TRUE(served.call(FUSE_RELEASEDIR, FUSE_ROOT_ID, bytes_of(fuse_release_in{fh, 0, 0, 0})).ok());
}

TEST(FuseFolder, HardLinksAreOneNode) {
  Served served;
  std::ofstream(served.path() / "a") << "x";
  std::filesystem::create_hard_link(served.path() / "a", served.path() / "b");
  EXPECT_EQ(served.node("a"), served.node("b"));
}

TEST(FuseBounds, NodesBeyondTheBoundAnswerEnfileAndAreNotMade) {
  Options options = Served::writable();
  options.max_nodes = 4;
  Served served(std::move(options));
  for (const char* name : {"a", "b", "c", "d"}) std::ofstream(served.path() / name) << "x";
  for (const char* name : {"a", "b", "c"}) EXPECT_TRUE(served.lookup(name).ok());
  EXPECT_EQ(served.lookup("d").error, ENFILE);
  EXPECT_EQ(served.create("e", O_RDWR).error, ENFILE);
  EXPECT_EQ(served.call(FUSE_MKDIR, 1, bytes_of(fuse_mkdir_in{0755, 0}) + terminated("e")).error, ENFILE);
  EXPECT_FALSE(std::filesystem::exists(served.path() / "e"));
  const uint64_t fh = open_folder(served, FUSE_ROOT_ID);
  EXPECT_EQ(all_names(served, fh, 4096, true).size(), 6U);  // listed all the same
  served.forget(served.node("a"), 3);
  EXPECT_TRUE(served.lookup("d").ok());
}

TEST(FuseBounds, HandlesBeyondTheBoundAnswerEnfile) {
  Options options = Served::writable();
  options.max_handles = 2;
  Served served(std::move(options));
  std::ofstream(served.path() / "a") << "x";
  const uint64_t a = served.node("a");
  EXPECT_TRUE(served.open(a, O_RDONLY).ok());
  open_folder(served, FUSE_ROOT_ID);
  EXPECT_EQ(served.open(a, O_RDONLY | O_TRUNC).error, ENFILE);
  EXPECT_EQ(content(served.path() / "a"), "x");
  EXPECT_EQ(served.call(FUSE_OPENDIR, FUSE_ROOT_ID, bytes_of(fuse_open_in{})).error, ENFILE);
  EXPECT_EQ(served.create("b", O_RDWR).error, ENFILE);
  EXPECT_FALSE(std::filesystem::exists(served.path() / "b"));
}

class FuseHeld : public testing::Test {
 protected:
  static Options few() {
    Options options = Served::writable();
    options.max_node_descriptors = 3;
    return options;
  }
  void SetUp() override {
    std::filesystem::create_directories(served.path() / "x" / "y" / "z");
    std::ofstream(served.path() / "x" / "y" / "z" / "deep") << "deep";
    deep = served.node("deep", z = served.node("z", y = served.node("y", x = served.node("x"))));
    for (int i = 0; i < 20; ++i) {
      std::ofstream(served.path() / std::to_string(i)) << "x";
      others.push_back(served.node(std::to_string(i)));
    }
    // Closed by now, if the file system tells when an inode was born.
    if (served.server().usage().node_descriptors > 4)
      GTEST_SKIP() << "every node is held on this file system";
  }
  Served served{few()};
  uint64_t x = 0, y = 0, z = 0, deep = 0;
  std::vector<uint64_t> others;
};

TEST_F(FuseHeld, ANodeThatWasClosedIsFoundAgainByItsNames) {
  EXPECT_EQ(served.getattr(deep).as<fuse_attr_out>().attr.size, 4U);
  EXPECT_LE(served.server().usage().node_descriptors, 4U);
  EXPECT_EQ(served.server().usage().nodes, 25U);
}

TEST_F(FuseHeld, AlsoUnderANewName) {
  const auto in = bytes_of(fuse_rename_in{FUSE_ROOT_ID});
  EXPECT_TRUE(served.call(FUSE_RENAME, x, in + terminated("y") + terminated("moved")).ok());
  for (const uint64_t other : others) EXPECT_TRUE(served.getattr(other).ok());
  EXPECT_EQ(served.getattr(deep).as<fuse_attr_out>().attr.size, 4U);
}

TEST_F(FuseHeld, ButNeverAnotherFileInItsPlace) {
  for (const uint64_t other : others) EXPECT_TRUE(served.getattr(other).ok());
  std::filesystem::remove(served.path() / "x" / "y" / "z" / "deep");
  std::ofstream(served.path() / "x" / "y" / "z" / "deep")
      << "another";  // may well have the inode number of the first
  EXPECT_EQ(served.getattr(deep).error, ESTALE);
  EXPECT_EQ(served.open(deep, O_RDONLY).error, ESTALE);
  for (const uint64_t other : others) EXPECT_TRUE(served.getattr(other).ok());
  std::filesystem::remove_all(served.path() / "x" / "y");
  std::filesystem::create_symlink("../../secret", served.path() / "x" / "y");
  EXPECT_EQ(served.getattr(y).error, ESTALE);
  EXPECT_EQ(served.getattr(deep).error, ESTALE);
}

// An inode that looks as if nobody told its birth counts as another as soon as it has changed while it was closed, and a
// folder changes with each name in it.
TEST(FuseBirth, OfZeroIsOneToo) {
  for (const char* path : {"/", "/usr", "/usr/bin", "/etc"}) {
    const Fd fd(::open(path, O_PATH | O_CLOEXEC));
    Inode inode;
    ASSERT_EQ(describe(fd.get(), inode), 0);
    if ((inode.stat.stx_mask & STATX_BTIME) == 0 || inode.stat.stx_btime.tv_sec != 0) continue;
    EXPECT_NE(inode.key.birth, 0U) << path;
    return;
  }
  GTEST_SKIP() << "no folder here has a birth of 0";
}

TEST_F(FuseHeld, NorInARing) {
  // The host moves y above x, and the guest has seen both halves: x in y, and y (closed) in x.
  for (const uint64_t other : others) EXPECT_TRUE(served.getattr(other).ok());
  std::filesystem::rename(served.path() / "x" / "y", served.path() / "y");
  std::filesystem::rename(served.path() / "x", served.path() / "y" / "x");
  const uint64_t y_again = served.node("y");
  EXPECT_EQ(y_again, y);
  EXPECT_EQ(served.node("x", y), x);
  for (const uint64_t other : others) EXPECT_TRUE(served.getattr(other).ok());
  EXPECT_TRUE(served.getattr(x).ok());
  EXPECT_EQ(served.getattr(deep).as<fuse_attr_out>().attr.size, 4U);
}

}  // namespace sandstone::fs
