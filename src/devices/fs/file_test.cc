// Files: create, read, write, attributes, names, extended attributes, and who they belong to.
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include "devices/fs/test_client.h"

namespace sandstone::fs {
namespace {

struct Opened {
  uint64_t node;
  uint64_t fh;
};

Opened create(Served& served, std::string_view name, uint32_t flags = O_RDWR) {
  const Answer made = served.create(name, flags);
  EXPECT_TRUE(made.ok()) << name << " " << made.error;
  return {made.as<fuse_entry_out>().nodeid, made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh};
}

struct stat host(const Served& served, const char* name) {
  struct stat out{};
  EXPECT_EQ(::lstat((served.path() / name).c_str(), &out), 0) << name;
  return out;
}

}  // namespace

TEST(FuseFile, CreateOpensWhatIsThereUnlessItMustBeNew) {
  Served served;
  std::ofstream(served.path() / "a") << "content";
  EXPECT_EQ(served.create("a", O_RDWR | O_EXCL).error, EEXIST);
  const Opened a = create(served, "a");
  EXPECT_EQ(served.read(a.node, a.fh, 0, 100).body, "content");
  EXPECT_EQ(served.create("a", O_RDWR | O_TRUNC).as<fuse_entry_out>().attr.size, 0U);
  EXPECT_EQ(served.create("a", O_ACCMODE).error, EINVAL);
  std::filesystem::create_directory(served.path() / "d");
  EXPECT_EQ(served.create("d", O_RDWR).error, EISDIR);
}

TEST(FuseFile, AppendingWritesAtTheHostsEnd) {
  Served served;
  const Opened a = create(served, "a", O_WRONLY);
  std::ofstream(served.path() / "a") << "others";
  EXPECT_TRUE(served.write(a.node, a.fh, 0, "+mine", O_APPEND | O_WRONLY).ok());
  EXPECT_EQ(content(served.path() / "a"), "others+mine");
  EXPECT_TRUE(served.write(a.node, a.fh, 0, "O", O_APPEND | O_WRONLY, FUSE_WRITE_CACHE).ok());
  EXPECT_EQ(content(served.path() / "a"), "Others+mine");
  EXPECT_EQ(served.read(a.node, a.fh, 0, 1).error, EBADF);
}

TEST(FuseFile, OffsetsBeyondTheLargestFileAreErrors) {
  Served served;
  const Opened a = create(served, "a");
  for (const uint64_t offset : {UINT64_MAX, uint64_t{INT64_MAX}, uint64_t{INT64_MAX} - 1}) {
    EXPECT_NE(served.write(a.node, a.fh, offset, "xyz").error, 0) << offset;
    served.read(a.node, a.fh, offset, 4096);
    fuse_setattr_in in{};
    in.valid = FATTR_SIZE;
    in.size = offset;
    EXPECT_NE(served.setattr(a.node, in).error, 0) << offset;
    EXPECT_NE(served.call(FUSE_FALLOCATE, a.node, bytes_of(fuse_fallocate_in{a.fh, offset, 10, 0, 0})).error,
              0);
    EXPECT_NE(served.call(FUSE_FALLOCATE, a.node, bytes_of(fuse_fallocate_in{a.fh, 0, offset, 0, 0})).error,
              0);
    EXPECT_NE(served.call(FUSE_LSEEK, a.node, bytes_of(fuse_lseek_in{a.fh, offset, SEEK_DATA, 0})).error, 0);
  }
  EXPECT_EQ(host(served, "a").st_size, 0);
}

TEST(FuseFile, HolesAreFoundAndRangesCopied) {
  Served served;
  const Opened a = create(served, "a");
  const Opened b = create(served, "b");
  EXPECT_TRUE(served.write(a.node, a.fh, 1U << 20, "data").ok());
  EXPECT_EQ(served.call(FUSE_LSEEK, a.node, bytes_of(fuse_lseek_in{a.fh, 0, SEEK_DATA, 0}))
                .as<fuse_lseek_out>()
                .offset,
            1U << 20);
  EXPECT_EQ(served.call(FUSE_LSEEK, a.node, bytes_of(fuse_lseek_in{a.fh, 0, SEEK_CUR, 0})).error, EINVAL);
  const fuse_copy_file_range_in in{a.fh, 1U << 20, b.node, b.fh, 0, UINT64_MAX, 0};
  EXPECT_EQ(served.call(FUSE_COPY_FILE_RANGE, a.node, bytes_of(in)).as<fuse_write_out>().size, 4U);
  EXPECT_EQ(content(served.path() / "b"), "data");
  EXPECT_EQ(served.call(FUSE_FALLOCATE, a.node, bytes_of(fuse_fallocate_in{a.fh, 0, 4096, 0x20, 0})).error,
            EOPNOTSUPP);
}

TEST(FuseFile, AnUnlinkedFileLivesWhileItIsOpen) {
  Options options = Served::writable();
  options.max_node_descriptors = 2;  // nothing else keeps it
  Served served(std::move(options));
  const Opened a = create(served, "a");
  EXPECT_TRUE(served.write(a.node, a.fh, 0, "still here").ok());
  EXPECT_TRUE(served.call(FUSE_UNLINK, 1, terminated("a")).ok());
  for (const char* name : {"b", "c", "d", "e"}) create(served, name);
  EXPECT_EQ(served.getattr(a.node).as<fuse_attr_out>().attr.nlink, 0U);
  EXPECT_EQ(served.read(a.node, a.fh, 0, 100).body, "still here");
}

TEST(FuseFile, ATemporaryFileGetsANameByLink) {
  Served served;
  const auto made =
      served.call(FUSE_TMPFILE, 1, bytes_of(fuse_create_in{O_RDWR, S_IFREG | 0600, 0, 0}) + terminated("/"));
  if (made.error == EOPNOTSUPP) GTEST_SKIP() << "the host's file system has no O_TMPFILE";
  const uint64_t node = made.as<fuse_entry_out>().nodeid;
  const uint64_t fh = made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;
  EXPECT_TRUE(served.write(node, fh, 0, "x").ok());
  EXPECT_TRUE(served.call(FUSE_LINK, 1, bytes_of(fuse_link_in{node}) + terminated("named")).ok());
  EXPECT_EQ(content(served.path() / "named"), "x");
}

TEST(FuseFile, RenamesKeepTheNode) {
  Served served;
  std::filesystem::create_directory(served.path() / "d");
  std::ofstream(served.path() / "a") << "a";
  std::ofstream(served.path() / "b") << "b";
  const uint64_t d = served.node("d");
  const uint64_t a = served.node("a");
  const uint64_t b = served.node("b");
  const auto rename2 = [&](uint64_t from, const char* name, uint64_t to, const char* new_name,
                           uint32_t flags) {
    return served
        .call(FUSE_RENAME2, from,
              bytes_of(fuse_rename2_in{to, flags, 0}) + terminated(name) + terminated(new_name))
        .error;
  };
  EXPECT_EQ(rename2(1, "a", 1, "b", 1), EEXIST);
  EXPECT_EQ(rename2(1, "a", 1, "b", 2), 0);
  EXPECT_EQ(served.node("a"), b);
  EXPECT_EQ(served.node("b"), a);
  EXPECT_EQ(rename2(1, "b", d, "c", 0), 0);
  EXPECT_EQ(served.node("c", d), a);
  EXPECT_EQ(rename2(1, "a", 1, "w", 4), EINVAL);  // RENAME_WHITEOUT
  EXPECT_EQ(rename2(1, "a", 999, "w", 0), ESTALE);
  EXPECT_EQ(rename2(1, "a", b, "w", 0), ENOTDIR);
}

TEST(FuseFile, SetIdBitsDoNotReachTheHost) {
  Served served;
  const auto made = served.create("a", O_RDWR, 06755);
  EXPECT_EQ(made.as<fuse_entry_out>().attr.mode & 07777U, 0755U);
  fuse_setattr_in in{};
  in.valid = FATTR_MODE;
  in.mode = S_IFREG | 07711;
  EXPECT_TRUE(served.setattr(made.as<fuse_entry_out>().nodeid, in).ok());
  EXPECT_EQ(host(served, "a").st_mode & 07777U, 01711U);
}

TEST(FuseFile, AWriteDropsSetIdBitsThatTheHostHadSet) {
  Served served;
  const Opened a = create(served, "a");
  ASSERT_EQ(::chmod((served.path() / "a").c_str(), 06755), 0);
  EXPECT_TRUE(served.write(a.node, a.fh, 0, "x", 0, FUSE_WRITE_KILL_SUIDGID).ok());
  EXPECT_EQ(host(served, "a").st_mode & 07777U, 0755U);
}

TEST(FuseFile, OnlyUserAttributesPass) {
  Served served;
  const Opened a = create(served, "a");
  const auto set = [&](const char* name, std::string_view value) {
    const fuse_getxattr_in in{static_cast<uint32_t>(value.size()), 0};
    return served.call(FUSE_SETXATTR, a.node, bytes_of(in) + terminated(name) + std::string(value)).error;
  };
  const auto get = [&](const char* name, uint32_t size) {
    return served.call(FUSE_GETXATTR, a.node, bytes_of(fuse_getxattr_in{size, 0}) + terminated(name));
  };
  if (set("user.x", "value") == EOPNOTSUPP) GTEST_SKIP() << "the host's file system has no user attributes";
  EXPECT_EQ(get("user.x", 0).as<fuse_getxattr_out>().size, 5U);
  EXPECT_EQ(get("user.x", 5).body, "value");
  EXPECT_EQ(get("user.x", 4).error, ERANGE);
  EXPECT_EQ(get("user.x", UINT32_MAX).body, "value");
  EXPECT_EQ(served.call(FUSE_LISTXATTR, a.node, bytes_of(fuse_getxattr_in{100, 0})).body,
            terminated("user.x"));
  for (const char* name :
       {"security.capability", "trusted.overlay.opaque", "system.posix_acl_access", "user"})
    EXPECT_EQ(set(name, "x"), EOPNOTSUPP) << name;
  EXPECT_EQ(set("user.", "x"), EINVAL);
  EXPECT_EQ(
      served.call(FUSE_SETXATTR, a.node, bytes_of(fuse_getxattr_in{9, 0}) + terminated("user.y") + "v").error,
      EINVAL);
  EXPECT_TRUE(served.call(FUSE_REMOVEXATTR, a.node, terminated("user.x")).ok());
  EXPECT_EQ(get("user.x", 0).error, ENODATA);
}

TEST(FuseFile, WhatTheGuestHasCachedIsKeptWhileTheFileIsAsItWas) {
  Served served;
  std::ofstream(served.path() / "a") << "x";
  const uint64_t a = served.node("a");
  EXPECT_EQ(served.open(a, O_RDONLY).as<fuse_open_out>().open_flags & FOPEN_KEEP_CACHE, 0U);
  EXPECT_NE(served.open(a, O_RDONLY).as<fuse_open_out>().open_flags & FOPEN_KEEP_CACHE, 0U);
  std::ofstream(served.path() / "a") << "changed";
  EXPECT_EQ(served.open(a, O_RDONLY).as<fuse_open_out>().open_flags & FOPEN_KEEP_CACHE, 0U);
}

}  // namespace sandstone::fs
