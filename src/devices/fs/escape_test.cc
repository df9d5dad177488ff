// Attacks on the folder's walls. Each is shown to work against the plain call that a naive server would make.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "devices/fs/test_client.h"

namespace sandstone::fs {
namespace {

// What a server does that hands the guest's path to the host.
std::string naive_read(const Served& served, const char* path) {
  const Fd root(::open(served.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const Fd file(::openat(root.get(), path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  char text[64];
  const ssize_t got = file.valid() ? ::read(file.get(), text, sizeof text) : -1;
  return got > 0 ? std::string(text, static_cast<size_t>(got)) : std::string();
}

}  // namespace

TEST(FuseEscape, ASymlinkIsToldAndNotFollowed) {
  Served served;
  std::filesystem::create_symlink("../secret", served.path() / "link");
  std::filesystem::create_symlink("..", served.path() / "up");
  ASSERT_EQ(naive_read(served, "link"), "secret");
  ASSERT_EQ(naive_read(served, "up/secret"), "secret");

  const auto link = served.lookup("link").as<fuse_entry_out>();
  EXPECT_EQ(link.attr.mode & S_IFMT, uint32_t{S_IFLNK});
  EXPECT_EQ(served.call(FUSE_READLINK, link.nodeid, "").body, "../secret");
  EXPECT_EQ(served.open(link.nodeid, O_RDONLY).error, ENXIO);
  EXPECT_EQ(served.call(FUSE_OPENDIR, link.nodeid, bytes_of(fuse_open_in{})).error, ENOTDIR);
  EXPECT_EQ(served.create("link", O_RDWR).error, ELOOP);
  EXPECT_EQ(served.create("link", O_RDWR | O_TRUNC).error, ELOOP);
  fuse_setattr_in in{};
  in.valid = FATTR_SIZE;
  EXPECT_EQ(served.setattr(link.nodeid, in).error, EINVAL);
  in.valid = FATTR_MODE;
  in.mode = 0777;
  EXPECT_EQ(served.setattr(link.nodeid, in).error, EOPNOTSUPP);
  in.valid = FATTR_MTIME;
  in.mtime = 1;
  EXPECT_TRUE(served.setattr(link.nodeid, in).ok());

  const uint64_t up = served.node("up");
  EXPECT_EQ(served.lookup("secret", up).error, ENOTDIR);
  EXPECT_EQ(served.create("planted", O_RDWR, 0644, up).error, ENOTDIR);
  EXPECT_EQ(served.call(FUSE_UNLINK, up, terminated("secret")).error, ENOTDIR);
  EXPECT_EQ(content(served.outside() / "secret"), "secret");
  struct stat secret{};
  ASSERT_EQ(::stat((served.outside() / "secret").c_str(), &secret), 0);
  EXPECT_EQ(secret.st_mode & 0777U, 0644U);
  EXPECT_NE(secret.st_mtime, 1);
}

TEST(FuseEscape, AHardLinkToASymlinkLinksTheSymlink) {
  Served served;
  std::filesystem::create_symlink("../secret", served.path() / "link");
  const uint64_t link = served.node("link");
  const auto made = served.call(FUSE_LINK, FUSE_ROOT_ID, bytes_of(fuse_link_in{link}) + terminated("copy"));
  ASSERT_TRUE(made.ok()) << made.error;
  EXPECT_EQ(made.as<fuse_entry_out>().nodeid, link);
  EXPECT_TRUE(std::filesystem::is_symlink(served.path() / "copy"));
}

TEST(FuseEscape, NamesThatAreNoNameAreRefused) {
  Served served;
  std::filesystem::create_directory(served.path() / "d");
  std::ofstream(served.path() / "d" / "f") << "x";
  ASSERT_EQ(naive_read(served, "../secret"), "secret");
  const std::string longest(255, 'n');
  for (const std::string& name :
       {std::string(".."), std::string("."), std::string(), std::string("d/f"), std::string("../secret"),
        std::string("/etc/passwd"), std::string("d/"), std::string("/")}) {
    const std::string z = terminated(name);
    EXPECT_EQ(served.lookup(name).error, EINVAL) << name;
    EXPECT_EQ(served.create(name, O_RDWR).error, EINVAL) << name;
    EXPECT_EQ(served.call(FUSE_MKDIR, 1, bytes_of(fuse_mkdir_in{0755, 0}) + z).error, EINVAL) << name;
    EXPECT_EQ(served.call(FUSE_MKNOD, 1, bytes_of(fuse_mknod_in{S_IFREG, 0, 0, 0}) + z).error, EINVAL)
        << name;
    EXPECT_EQ(served.call(FUSE_SYMLINK, 1, two_names(name, "ok")).error, EINVAL) << name;
    EXPECT_EQ(served.call(FUSE_UNLINK, 1, z).error, EINVAL) << name;
    EXPECT_EQ(served.call(FUSE_RMDIR, 1, z).error, EINVAL) << name;
    EXPECT_EQ(served.call(FUSE_RENAME, 1, bytes_of(fuse_rename_in{1}) + two_names(name, "ok")).error, EINVAL)
        << name;
    EXPECT_EQ(served.call(FUSE_RENAME, 1, bytes_of(fuse_rename_in{1}) + two_names("d", name)).error, EINVAL)
        << name;
    EXPECT_EQ(served.call(FUSE_LINK, 1, bytes_of(fuse_link_in{1}) + z).error, EINVAL) << name;
  }
  EXPECT_EQ(served.call(FUSE_LOOKUP, 1, "unterminated").error, EINVAL);
  EXPECT_EQ(served.call(FUSE_LOOKUP, 1, two_names("d", "..")).error, EINVAL);
  EXPECT_EQ(served.lookup(longest).error, ENOENT);
  EXPECT_EQ(served.lookup(std::string(256, 'n')).error, ENAMETOOLONG);
  EXPECT_EQ(content(served.outside() / "secret"), "secret");
}

TEST(FuseEscape, AFifoASocketAndADeviceAreNeverOpened) {
  Served served;
  ASSERT_EQ(::mkfifo((served.path() / "fifo").c_str(), 0666), 0);
  const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{AF_UNIX, {}};
  std::strncpy(address.sun_path, (served.path() / "socket").c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  // A naive open of the FIFO waits for a writer: with O_WRONLY | O_NONBLOCK the kernel says what it would
  // wait for.
  ASSERT_EQ(::open((served.path() / "fifo").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1);
  ASSERT_EQ(errno, ENXIO);

  for (const char* name : {"fifo", "socket"}) {
    const uint64_t node = served.node(name);
    for (const uint32_t flags : {O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC})
      EXPECT_EQ(served.open(node, flags).error, ENXIO) << name;
    EXPECT_EQ(served.create(name, O_RDWR).error, ENXIO) << name;
    fuse_setattr_in in{};
    in.valid = FATTR_SIZE;
    EXPECT_EQ(served.setattr(node, in).error, EINVAL) << name;
    const std::string get = bytes_of(fuse_getxattr_in{0, 0}) + terminated("user.x");
    EXPECT_EQ(served.call(FUSE_GETXATTR, node, get).error, EOPNOTSUPP) << name;
  }
  for (const uint32_t type : {S_IFCHR, S_IFBLK, S_IFDIR, S_IFLNK}) {
    const fuse_mknod_in in{type | 0666U, 0x103, 0, 0};
    EXPECT_EQ(served.call(FUSE_MKNOD, 1, bytes_of(in) + terminated("device")).error, EPERM) << type;
  }
  EXPECT_FALSE(std::filesystem::exists(served.path() / "device"));
}

TEST(FuseEscape, ProcfsInsideTheFolderIsNotEntered) {
  Options options;
  options.root = Fd(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  options.squash = Squash{0, 0};
  auto made = FuseServer::create(std::move(options));
  ASSERT_TRUE(made.ok());
  const Fd root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  // /proc/self is the server, and its memory with it.
  ASSERT_TRUE(Fd(::openat(root.get(), "proc/self/mem", O_RDWR | O_CLOEXEC)).valid());

  const auto send = [&](std::string bytes) {
    std::string out(4096, '\0');
    (*made)->handle(Served::cut(bytes, 4096), Served::cut(out, 4096));
    fuse_out_header header{};
    std::memcpy(&header, out.data(), sizeof header);
    return -header.error;
  };
  fuse_init_in in{};
  in.major = 7;
  in.minor = 38;
  ASSERT_EQ(send(Served::request(FUSE_INIT, 0, bytes_of(in))), 0);
  EXPECT_EQ(send(Served::request(FUSE_LOOKUP, FUSE_ROOT_ID, terminated("proc"))), EACCES);
  EXPECT_EQ(send(Served::request(FUSE_LOOKUP, FUSE_ROOT_ID, terminated("usr"))), 0);
}

TEST(FuseEscape, AFolderMovedOutDoesNotShowItsNewParents) {
  Served served;
  const auto inside = served.path() / "a";
  std::filesystem::create_directories(inside / "b");
  std::ofstream(inside / "b" / "mine") << "mine";
  std::atomic<bool> stop = false;
  std::thread mover([&] {
    while (!stop) {
      std::error_code ignored;
      std::filesystem::rename(inside, served.outside() / "a", ignored);
      std::filesystem::rename(served.outside() / "a", inside, ignored);
    }
  });
  // Walks a/b and from there up, with "..": the classic race, in which the kernel's own walk is caught
  // outside.
  int naive_escapes = 0;
  int walked = 0;
  const Fd root(::open(served.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);  // usually a few ms
  while (std::chrono::steady_clock::now() < until && (naive_escapes == 0 || walked < 2000)) {
    const Fd b(::openat(root.get(), "a/b", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (b.valid() && ::faccessat(b.get(), "../../secret", R_OK, 0) == 0) ++naive_escapes;
    const auto a_found = served.lookup("a");
    if (!a_found.ok()) continue;
    const uint64_t a = a_found.as<fuse_entry_out>().nodeid;
    const auto b_found = served.lookup("b", a);
    if (!b_found.ok()) continue;
    const uint64_t node = b_found.as<fuse_entry_out>().nodeid;
    ++walked;
    EXPECT_EQ(served.lookup("..", node).error, EINVAL);
    EXPECT_EQ(served.lookup("..", a).error, EINVAL);
    EXPECT_EQ(served.lookup("secret", a).error, ENOENT);
    EXPECT_EQ(served.lookup("secret", node).error, ENOENT);
    EXPECT_TRUE(served.lookup("mine", node).ok());
    EXPECT_EQ(served.lookup("secret").error, ENOENT);
  }
  stop = true;
  mover.join();
  EXPECT_GT(walked, 0);
  EXPECT_GT(naive_escapes, 0) << "the attack did not work on the naive walk either";
}

}  // namespace sandstone::fs
