#include "devices/fs/host.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>

#include "base/sys.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

namespace sandstone::fs {

namespace {

int describe_at(int folder, const char* name, int flags, Inode& inode) {
  constexpr unsigned kWanted = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID;
  if (::statx(folder, name, flags | AT_NO_AUTOMOUNT, kWanted, &inode.stat) != 0) return errno;
  const struct statx& stat = inode.stat;
  inode.key.mount = (stat.stx_mask & STATX_MNT_ID) != 0 ? stat.stx_mnt_id : 0;
  inode.key.device = uint64_t{stat.stx_dev_major} << 32 | stat.stx_dev_minor;
  inode.key.inode = stat.stx_ino;
  inode.key.birth = 0;
  if ((stat.stx_mask & STATX_BTIME) != 0) {
    inode.key.birth = static_cast<uint64_t>(stat.stx_btime.tv_sec) * 1'000'000'000 + stat.stx_btime.tv_nsec;
    // What came with the image of a disk often has a birth of 0, which tells it from a successor as well as any.
    if (inode.key.birth == 0) inode.key.birth = 1;
  }
  return 0;
}

}  // namespace

int describe(int fd, Inode& inode) {
  return describe_at(fd, "", AT_EMPTY_PATH, inode);
}

int describe_step(int folder, const char* name, Inode& inode) {
  return describe_at(folder, name, AT_SYMLINK_NOFOLLOW, inode);
}

int open_step(int folder, const char* name, bool cross_mounts, Fd& out) {
  // Callers have refused ".." and "/" already; BENEATH says it once more. NO_SYMLINKS lets O_NOFOLLOW with
  // O_PATH open a symlink itself.
  const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS |
                           (cross_mounts ? 0U : unsigned{RESOLVE_NO_XDEV});
  const int fd = sys::openat2(folder, name, O_PATH | O_NOFOLLOW, 0, resolve);
  if (fd < 0) return -fd == EMFILE ? ENFILE : -fd;
  out = Fd(fd);
  return 0;
}

int open_folder(int folder, Fd& out) {
  const int fd = sys::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (fd < 0) return -fd == EMFILE ? ENFILE : -fd;
  out = Fd(fd);
  return 0;
}

bool is_kernel_window(int fd) {
  constexpr uint32_t kWindows[] = {PROC_SUPER_MAGIC,
                                   SYSFS_MAGIC,
                                   DEBUGFS_MAGIC,
                                   TRACEFS_MAGIC,
                                   SECURITYFS_MAGIC,
                                   CGROUP_SUPER_MAGIC,
                                   CGROUP2_SUPER_MAGIC,
                                   BPF_FS_MAGIC,
                                   PSTOREFS_MAGIC,
                                   EFIVARFS_MAGIC,
                                   DEVPTS_SUPER_MAGIC,
                                   BINFMTFS_MAGIC,
                                   NSFS_MAGIC,
                                   SELINUX_MAGIC,
                                   SMACK_MAGIC,
                                   AUTOFS_SUPER_MAGIC,
                                   0x62656570 /*configfs*/,
                                   0x19800202 /*mqueue*/,
                                   RDTGROUP_SUPER_MAGIC,
                                   0x65735543 /*fusectl*/,
                                   0x5a3c69f0 /*apparmorfs*/,
                                   0x67596969 /*rpc_pipefs*/,
                                   0x6e667364 /*nfsd*/};
  struct statfs fs{};
  if (::fstatfs(fd, &fs) != 0) return true;
  return std::find(std::begin(kWindows), std::end(kWindows), static_cast<uint32_t>(fs.f_type)) !=
         std::end(kWindows);
}

Result<Reopener> Reopener::create() {
  Fd folder(::open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return system_error("fs", "cannot open /proc/self/fd", errno, "mount procfs at /proc");
  struct statfs fs{};
  if (::fstatfs(folder.get(), &fs) != 0 || fs.f_type != PROC_SUPER_MAGIC)
    return Error{"fs", "/proc is no procfs", "mount procfs at /proc"};
  return Reopener(std::move(folder));
}

namespace {

// The name of a descriptor in /proc/self/fd.
struct Number {
  explicit Number(int fd) { *fmt::format_to_n(text, sizeof text - 1, "{}", fd).out = '\0'; }
  char text[16];
};

}  // namespace

int Reopener::open(int fd, int flags, Fd& out) const {
  const Number name(fd);
  // O_NONBLOCK: a host process's lease on the file must not hold up a worker.
  const int opened = sys::openat(folder_.get(), name.text, flags | O_NONBLOCK | O_NOCTTY);
  if (opened < 0) return -opened == EMFILE ? ENFILE : -opened;
  out = Fd(opened);
  return 0;
}

int Reopener::change_mode(int fd, mode_t mode) const {
  const long result = sys::call(SYS_fchmodat2, fd, sys::word(""), static_cast<long>(mode), AT_EMPTY_PATH);
  if (result != -ENOSYS) return static_cast<int>(-result);
  const Number name(fd);
  return ::fchmodat(folder_.get(), name.text, mode, 0) == 0 ? 0 : errno;
}

int Reopener::link(int fd, int folder, const char* name) const {
  const Number from(fd);
  // What is followed is procfs's link to the inode, and no more: a jump like that ends at a symlink.
  return ::linkat(folder_.get(), from.text, folder, name, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

namespace {

// Calls `move(pieces, count, position)` until `size` bytes are moved or one call moves less than it was
// given.
template <typename Move>
ssize_t in_batches(uint64_t position, const Chain& chain, size_t offset, size_t size, Move move) {
  if (position > INT64_MAX - size) return -EINVAL;
  std::array<iovec, 128> pieces;
  size_t done = 0;
  while (done < size) {
    const size_t count = chain.slice(offset + done, size - done, pieces);
    if (count == 0) break;
    size_t wanted = 0;
    for (size_t i = 0; i < count; ++i) wanted += pieces[i].iov_len;
    const ssize_t moved = move(pieces.data(), static_cast<int>(count), static_cast<off_t>(position + done));
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0) return done != 0 ? static_cast<ssize_t>(done) : -errno;
    done += static_cast<size_t>(moved);
    if (static_cast<size_t>(moved) < wanted) break;
  }
  return static_cast<ssize_t>(done);
}

}  // namespace

ssize_t read_into(int fd, uint64_t position, const Chain& chain, size_t offset, size_t size) {
  return in_batches(position, chain, offset, size, [fd](const iovec* pieces, int count, off_t at) {
    return ::preadv2(fd, pieces, count, at, 0);
  });
}

ssize_t write_from(int fd, uint64_t position, const Chain& chain, size_t offset, size_t size, int flags) {
  return in_batches(position, chain, offset, size, [fd, flags](const iovec* pieces, int count, off_t at) {
    return ::pwritev2(fd, pieces, count, at, flags);
  });
}

}  // namespace sandstone::fs
