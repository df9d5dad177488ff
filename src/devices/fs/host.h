// The few ways in which the server touches the host's files. All return 0 or an errno; descriptors are
// close-on-exec.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/fd.h"
#include "devices/fs/message.h"

namespace sandstone::fs {

// What makes an inode that one and no other: a file system may give an inode number to another file later,
// which then has another birth. The mount is part of it so that a read-only mount inside the folder is not
// bypassed by a writable one of the same file system.
struct InodeKey {
  uint64_t mount = 0;
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t birth = 0;  // in ns; 0 if the file system does not tell
  bool operator==(const InodeKey&) const = default;
};

struct InodeKeyHash {
  size_t operator()(const InodeKey& key) const noexcept {
    return std::hash<uint64_t>()(key.inode * 0x9e3779b97f4a7c15 ^ key.device ^ key.mount << 32 ^ key.birth);
  }
};

struct Inode {
  struct statx stat{};
  InodeKey key;
  [[nodiscard]] uint16_t type() const { return stat.stx_mode & S_IFMT; }
};

int describe(int fd, Inode& inode);
int describe_step(int folder, const char* name, Inode& inode);  // as open_step() and describe(), not opened

// One step from a folder to `name` in it, which is an O_PATH descriptor and may be a symlink, a FIFO or a
// device.
int open_step(int folder, const char* name, bool cross_mounts, Fd& out);
// A folder, to list or sync it.
int open_folder(int folder, Fd& out);

// procfs, sysfs and their like: files there are not data but windows into the host's kernel and its
// processes, such as the memory of this one.
bool is_kernel_window(int fd);

// Opens what an O_PATH descriptor stands for through /proc/self/fd. The caller has checked that it is a
// regular file: opening a FIFO blocks, and opening a device may do anything.
class Reopener {
 public:
  static Result<Reopener> create();
  int open(int fd, int flags, Fd& out) const;
  int change_mode(int fd, mode_t mode) const;
  int link(int fd, int folder, const char* name) const;  // a symlink itself is linked, not its target

 private:
  explicit Reopener(Fd folder) : folder_(std::move(folder)) {}
  Fd folder_;
};

// File data between a file and [offset, offset + size) of a chain, without a copy. The bytes moved, or -errno
// if none.
ssize_t read_into(int fd, uint64_t position, const Chain& chain, size_t offset, size_t size);
ssize_t write_from(int fd, uint64_t position, const Chain& chain, size_t offset, size_t size, int flags);

}  // namespace sandstone::fs
