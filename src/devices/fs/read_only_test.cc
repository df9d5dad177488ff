// Every way to change something, against a folder that is served read-only.
#include <gtest/gtest.h>

#include <functional>

#include "devices/fs/test_client.h"

namespace sandstone::fs {
namespace {

struct Change {
  const char* name;
  std::function<Answer(Served&)> attempt;
};

// With "file" of one byte in the folder, and handles of it and of "other", opened as far as the server lets
// us.
std::vector<Change> all_changes() {
  const auto file = [](Served& s) { return s.node("file"); };
  const auto handle = [file](Served& s, uint32_t flags) {
    const Answer opened = s.open(file(s), flags);
    return opened.ok() ? opened.as<fuse_open_out>().fh : 1;
  };
  const auto set = [file](uint32_t valid) {
    return [file, valid](Served& s) {
      fuse_setattr_in in{};
      in.valid = valid;
      in.mode = 0600;
      in.mtime = 77;
      return s.setattr(file(s), in);
    };
  };
  return {
      {"setattr mode", set(FATTR_MODE)},
      {"setattr owner", set(FATTR_UID | FATTR_GID)},
      {"setattr size", set(FATTR_SIZE)},
      {"setattr times", set(FATTR_ATIME | FATTR_MTIME)},
      {"setattr now", set(FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW)},
      {"symlink", [](Served& s) { return s.call(FUSE_SYMLINK, 1, terminated("new") + terminated("to")); }},
      {"mknod",
       [](Served& s) {
         return s.call(FUSE_MKNOD, 1, bytes_of(fuse_mknod_in{S_IFREG | 0644, 0, 0, 0}) + terminated("new"));
       }},
      {"mkfifo",
       [](Served& s) {
         return s.call(FUSE_MKNOD, 1, bytes_of(fuse_mknod_in{S_IFIFO | 0644, 0, 0, 0}) + terminated("new"));
       }},
      {"mkdir",
       [](Served& s) { return s.call(FUSE_MKDIR, 1, bytes_of(fuse_mkdir_in{0755, 0}) + terminated("new")); }},
      {"create", [](Served& s) { return s.create("new", O_RDWR); }},
      {"create to read", [](Served& s) { return s.create("new", O_RDONLY); }},
      {"create what is there", [](Served& s) { return s.create("file", O_RDWR | O_TRUNC); }},
      {"tmpfile",
       [](Served& s) {
         return s.call(FUSE_TMPFILE, 1,
                       bytes_of(fuse_create_in{O_RDWR, S_IFREG | 0600, 0, 0}) + terminated("/"));
       }},
      {"rename",
       [](Served& s) {
         return s.call(FUSE_RENAME, 1, bytes_of(fuse_rename_in{1}) + terminated("file") + terminated("new"));
       }},
      {"rename2",
       [](Served& s) {
         return s.call(FUSE_RENAME2, 1,
                       bytes_of(fuse_rename2_in{1, 2, 0}) + terminated("file") + terminated("folder"));
       }},
      {"link",
       [file](Served& s) {
         return s.call(FUSE_LINK, 1, bytes_of(fuse_link_in{file(s)}) + terminated("new"));
       }},
      {"open to write", [file](Served& s) { return s.open(file(s), O_WRONLY); }},
      {"open to read and write", [file](Served& s) { return s.open(file(s), O_RDWR); }},
      {"open to truncate", [file](Served& s) { return s.open(file(s), O_RDONLY | O_TRUNC); }},
      {"write", [=](Served& s) { return s.write(file(s), handle(s, O_RDWR), 0, "overwritten"); }},
      {"fallocate",
       [=](Served& s) {
         return s.call(FUSE_FALLOCATE, file(s),
                       bytes_of(fuse_fallocate_in{handle(s, O_RDWR), 0, 4096, 0, 0}));
       }},
      {"copy_file_range",
       [=](Served& s) {
         const uint64_t fh = handle(s, O_RDWR);
         return s.call(FUSE_COPY_FILE_RANGE, file(s),
                       bytes_of(fuse_copy_file_range_in{fh, 0, file(s), fh, 1, 1, 0}));
       }},
      {"setxattr",
       [file](Served& s) {
         return s.call(FUSE_SETXATTR, file(s), bytes_of(uint64_t{1}) + terminated("user.x") + "v");
       }},
      {"removexattr",
       [file](Served& s) { return s.call(FUSE_REMOVEXATTR, file(s), terminated("user.there")); }},
      {"unlink", [](Served& s) { return s.call(FUSE_UNLINK, 1, terminated("file")); }},
      {"rmdir", [](Served& s) { return s.call(FUSE_RMDIR, 1, terminated("folder")); }},
  };
}

void fill(const Served& served) {
  std::ofstream(served.path() / "file") << "x";
  std::filesystem::create_directory(served.path() / "folder");
}

}  // namespace

TEST(FuseReadOnly, EveryChangeIsRefused) {
  Options options = Served::writable();
  options.read_only = true;
  Served served(std::move(options));
  fill(served);
  struct stat before{};
  ASSERT_EQ(::stat((served.path() / "file").c_str(), &before), 0);
  for (const Change& change : all_changes()) EXPECT_EQ(change.attempt(served).error, EROFS) << change.name;
  EXPECT_EQ(served.call(FUSE_ACCESS, 1, bytes_of(fuse_access_in{W_OK, 0})).error, EROFS);
  struct stat after{};
  ASSERT_EQ(::stat((served.path() / "file").c_str(), &after), 0);
  EXPECT_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
  EXPECT_EQ(content(served.path() / "file"), "x");
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(served.path()))
    names.push_back(entry.path().filename());
  EXPECT_EQ(names.size(), 2U);
}

// The same requests, each in a fresh folder that may be written to: they are such as would have changed
// something.
TEST(FuseReadOnly, TheSameChangesWorkInAWritableFolder) {
  for (const Change& change : all_changes()) {
    Served served;
    fill(served);
    const int error = change.attempt(served).error;
    // The attribute to remove is not there.
    EXPECT_EQ(error, change.name == std::string("removexattr") ? ENODATA : 0) << change.name;
  }
}

TEST(FuseReadOnly, ReadingWorks) {
  Options options = Served::writable();
  options.read_only = true;
  Served served(std::move(options));
  fill(served);
  const uint64_t node = served.node("file");
  const auto opened = served.open(node, O_RDONLY).as<fuse_open_out>();
  EXPECT_EQ(served.read(node, opened.fh, 0, 10).body, "x");
  // A handle of another file, of a folder, or of nobody.
  EXPECT_EQ(served.read(FUSE_ROOT_ID, opened.fh, 0, 10).error, EBADF);
  EXPECT_EQ(served.call(FUSE_READDIR, node, bytes_of(fuse_read_in{opened.fh, 0, 100, 0, 0, 0, 0})).error,
            EBADF);
  EXPECT_EQ(served.read(node, opened.fh + 1, 0, 10).error, EBADF);
  EXPECT_TRUE(served.call(FUSE_RELEASE, node, bytes_of(fuse_release_in{opened.fh, 0, 0, 0})).ok());
  EXPECT_EQ(served.call(FUSE_RELEASE, node, bytes_of(fuse_release_in{opened.fh, 0, 0, 0})).error, EBADF);
}

// What nobody changes is read without being opened, as the guest's kernel asks for it if it may.
TEST(FuseReadOnly, NothingNeedsToBeOpenedWhereNothingChanges) {
  Options options = Served::writable();
  options.read_only = true;
  options.cache = CachePolicy::always;
  Served served(std::move(options));
  fill(served);
  const uint64_t node = served.node("file");
  EXPECT_EQ(served.open(node, O_RDONLY).error, ENOSYS);
  EXPECT_EQ(served.call(FUSE_OPENDIR, FUSE_ROOT_ID, bytes_of(fuse_open_in{})).error, ENOSYS);
  EXPECT_EQ(served.read(node, 0, 0, 10).body, "x");
  EXPECT_EQ(served.call(FUSE_LSEEK, node, bytes_of(fuse_lseek_in{0, 0, SEEK_HOLE, 0})).error, ENOSYS);
  const std::string listing = bytes_of(fuse_read_in{0, 0, 4096, 0, 0, 0, 0});
  EXPECT_NE(served.call(FUSE_READDIR, FUSE_ROOT_ID, listing).body.find("file"), std::string::npos);
  // Nor does that make a folder a file, a file a folder, or a handle of what is none.
  EXPECT_EQ(served.read(FUSE_ROOT_ID, 0, 0, 10).error, EISDIR);
  EXPECT_EQ(served.call(FUSE_READDIR, node, listing).error, ENOTDIR);
  EXPECT_EQ(served.read(node, 1, 0, 10).error, EBADF);
}

}  // namespace sandstone::fs
