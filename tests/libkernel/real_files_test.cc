// Real trees through real file systems: ext4, overlayfs, squashfs and erofs images, as what they were made
// of.
#include <fstream>

#include "booted.h"
#include "tree.h"

namespace sandstone {
namespace {

class RealFiles : public BootedKernel {
 protected:
  void boot_again() {
    ASSERT_EQ(kernel_->halt(), 0);
    kernel_.reset();
    SetUp();
  }
  void halt() {
    ASSERT_EQ(kernel_->halt(), 0);
    kernel_.reset();
  }
  void add_and_mount(const std::string& image, unsigned flags, const char* type = nullptr,
                     uint64_t mount_flags = 0) {
    auto disk = kernel_->add_disk(image, flags);
    ASSERT_TRUE(disk.ok()) << disk.error().line();
    ASSERT_EQ(kernel_->mount_disk(*disk, "/disk", type, mount_flags), 0) << kernel_->console();
  }
  uint64_t bytes_of(const std::string& image) {
    return hash_of(host_, image, std::filesystem::file_size(image));
  }

  System host_;
  Scratch scratch_;
  Compare out_{.nanoseconds = true, .owners = ::geteuid() == 0, .root = true};
};

TEST_F(RealFiles, GoInAndOutAndStay) {
  const std::string image = scratch_ / "image";
  make_tree(scratch_ / "tree");
  make_ext4(image, 256);
  const Tree tree = read_tree(host_, scratch_ / "tree");
  ASSERT_GT(tree.size(), 2500U);
  add_and_mount(image, SANDSTONE_DISK_PERSIST);
  {
    const System inside(task());
    copy_tree(host_, scratch_ / "tree", inside, "/disk/tree");
    expect_same(tree, read_tree(inside, "/disk/tree"));
    struct stat sparse{};
    must(SYS_stat, "/disk/tree/odd/sparse", &sparse);
    EXPECT_LT(sparse.st_blocks * 512, 1 << 20);
    copy_tree(inside, "/disk/tree", host_, scratch_ / "out");
    expect_same(tree, read_tree(host_, scratch_ / "out"), out_);
  }
  boot_again();  // which syncs and unmounts
  expect_clean(image);
  add_and_mount(image, SANDSTONE_DISK_PERSIST);
  expect_same(tree, read_tree(System(task()), "/disk/tree"));
  halt();
  expect_clean(image);
}

TEST_F(RealFiles, OfAnImageAreAsTheyWereAndTheImageStaysAsItIs) {
  const std::string image = scratch_ / "image";
  make_tree(scratch_ / "tree");
  make_ext4(image, 256, scratch_ / "tree");
  const Tree tree = read_tree(host_, scratch_ / "tree");
  const uint64_t before = bytes_of(image);
  add_and_mount(image, 0);
  const System inside(task());
  expect_same(tree, read_tree(inside, "/disk"), {.nanoseconds = false, .owners = true, .root = false});
  // As much change as a run makes: all of it its own.
  copy_tree(inside, "/disk/odd", inside, "/disk/copy");
  for (const std::string& name : names_in(inside, "/disk/wide"))
    must(SYS_unlink, ("/disk/wide/" + name).c_str());
  must(SYS_rename, "/disk/wide", "/disk/narrow");
  must(SYS_sync);
  expect_same(read_tree(inside, "/disk/odd"), read_tree(inside, "/disk/copy"));
  EXPECT_EQ(names_in(inside, "/disk/narrow").size(), 0U);
  boot_again();
  EXPECT_EQ(bytes_of(image), before);
  expect_clean(image);
  // And read only: not a byte, not even by mounting.
  add_and_mount(image, SANDSTONE_DISK_READ_ONLY, "ext4", MS_RDONLY);
  EXPECT_EQ(task().call(SYS_open, "/disk/new", O_CREAT | O_RDWR, 0600), -EROFS);
  halt();
  EXPECT_EQ(bytes_of(image), before);
}

TEST_F(RealFiles, LieOverEachOther) {
  const std::string image = scratch_ / "image";
  make_tree(scratch_ / "tree", 500);
  make_ext4(image, 128, scratch_ / "tree");
  add_and_mount(image, 0, "ext4", MS_RDONLY);
  const System inside(task());
  const Tree lower = read_tree(inside, "/disk");
  must(SYS_mkdir, "/upper", 0755);
  must(SYS_mount, "upper", "/upper", "tmpfs", 0, nullptr);
  must(SYS_mkdir, "/upper/u", 0755);
  must(SYS_mkdir, "/upper/w", 0755);
  must(SYS_mkdir, "/merged", 0755);
  must(SYS_mount, "o", "/merged", "overlay", 0,
       "lowerdir=/disk,upperdir=/upper/u,workdir=/upper/w,redirect_dir=on,index=on");
  expect_same(lower, read_tree(inside, "/merged"), {.nanoseconds = true, .owners = true, .root = false});

  const auto fd = must(SYS_open, "/merged/odd/one", O_WRONLY | O_APPEND);
  EXPECT_EQ(must(SYS_write, fd, "2", 1), 1);
  must(SYS_close, fd);
  struct stat one{};
  must(SYS_stat, "/merged/odd/link7", &one);  // with an index, hard links stay together
  EXPECT_EQ(one.st_size, 2);
  must(SYS_rename, "/merged/wide", "/merged/moved");
  must(SYS_unlink, "/merged/odd/empty");
  must(SYS_chmod, "/merged/odd/sparse", 0640);
  copy_tree(inside, "/merged/deep", inside, "/merged/deeper");
  const Tree changed = read_tree(inside, "/merged");
  EXPECT_EQ(changed.count("/odd/empty"), 0U);
  EXPECT_EQ(changed.at("/moved").mode, lower.at("/wide").mode);
  EXPECT_EQ(changed.at("/odd/sparse").hash, lower.at("/odd/sparse").hash);
  EXPECT_EQ(changed.at("/odd/sparse").mode & 07777, 0640U);
  must(SYS_umount2, "/merged", 0);
  must(SYS_mount, "o", "/merged", "overlay", 0,
       "lowerdir=/disk,upperdir=/upper/u,workdir=/upper/w,redirect_dir=on,index=on");
  expect_same(changed, read_tree(inside, "/merged"));
  expect_same(lower, read_tree(inside, "/disk"));  // nobody has touched it
}

class Packed : public RealFiles, public ::testing::WithParamInterface<std::vector<std::string>> {};

TEST_P(Packed, AreReadBack) {
  const std::vector<std::string>& how = GetParam();
  const std::string image = scratch_ / "image", tree = scratch_ / "tree";
  make_tree(tree);
  const bool squash = how[0] == "mksquashfs";
  if (!squash) ::unlink((tree + "/odd/" + std::string(255, 'n')).c_str());  // mkfs.erofs 1.5 takes 254
  std::vector<std::string> command =
      squash ? std::vector<std::string>{"mksquashfs", tree,           image,         "-noappend",
                                        "-quiet",     "-no-progress", "-processors", "1"}
             : std::vector<std::string>{"mkfs.erofs"};
  command.insert(command.end(), how.begin() + 1, how.end());
  if (!squash) command.insert(command.end(), {image, tree});
  const Ran made = run(command);
  ASSERT_EQ(made.status, 0) << made.output;
  std::filesystem::resize_file(image, (std::filesystem::file_size(image) + 4095) / 4096 * 4096);
  add_and_mount(image, SANDSTONE_DISK_READ_ONLY, squash ? "squashfs" : "erofs", MS_RDONLY);
  const System inside(task());
  const Compare how_alike{.nanoseconds = !squash, .owners = true, .root = false};
  const Tree wanted = read_tree(host_, tree);
  expect_same(wanted, read_tree(inside, "/disk"), how_alike);
  // Once more, with nothing cached.
  kernel().mount_basics();
  const auto fd = must(SYS_open, "/proc/sys/vm/drop_caches", O_WRONLY);
  must(SYS_write, fd, "3", 1);
  expect_same(wanted, read_tree(inside, "/disk"), how_alike);
}

INSTANTIATE_TEST_SUITE_P(Images, Packed,
                         ::testing::Values(std::vector<std::string>{"mksquashfs", "-comp", "gzip"},
                                           std::vector<std::string>{"mksquashfs", "-comp", "xz"},
                                           std::vector<std::string>{"mksquashfs", "-comp", "zstd"},
                                           std::vector<std::string>{"mkfs.erofs"},
                                           std::vector<std::string>{"mkfs.erofs", "-zlz4hc"}),
                         [](const auto& one) {
                           const auto& how = one.param;
                           return how[0] == "mksquashfs" ? "squashfs_" + how[2]
                                  : how.size() > 1       ? "erofs_lz4"
                                                         : "erofs";
                         });

}  // namespace
}  // namespace sandstone
