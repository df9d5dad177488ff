// What the operations share, and the operations themselves. Internal to devices/fs.
#pragma once

#include <atomic>
#include <optional>
#include <utility>

#include "devices/fs/fuse_server.h"
#include "devices/fs/handles.h"
#include "devices/fs/host.h"
#include "devices/fs/ids.h"
#include "devices/fs/message.h"
#include "devices/fs/nodes.h"

namespace sandstone::fs {

struct Owner {
  static constexpr uint32_t kLeave = UINT32_MAX;  // as chown(2) has it
  uint32_t uid = kLeave;
  uint32_t gid = kLeave;
  [[nodiscard]] bool any() const { return uid != kLeave || gid != kLeave; }
};

struct FuseServer::State {
  State(Options given, Reopener through_proc, Fd root, const Inode& inode, size_t max_held,
        size_t max_handles);

  const Options options;
  const Reopener reopener;
  const IdMap uids;
  const IdMap gids;
  const uid_t own_uid;
  const gid_t own_gid;
  const bool may_chown;
  InodeNumbers numbers;
  Nodes nodes;
  Handles handles;
  std::atomic<bool> ready = false;  // INIT has been answered

  // Whether the guest opens files without asking: nothing of what OPEN decides can differ between two, and a request is
  // a hundred times as dear as an open(2) that asks nobody. INIT settles it; READ then comes without a handle.
  std::atomic<bool> without_open = false;

  [[nodiscard]] bool lasting() const { return options.cache == CachePolicy::always; }
  // The mode that is set on the host where the guest asks for `mode`.
  [[nodiscard]] mode_t allowed_mode(uint32_t mode) const {
    return mode & (options.set_id_bits ? 07777U : 01777U);
  }
  int host_owner(uint32_t uid, uint32_t gid, Owner& owner) const;  // kLeave stays; EPERM if it cannot be set

  fuse_attr attributes(const Inode& inode);
  void put_attributes(Reply& reply, const Inode& inode);
  fuse_entry_out entry(const Pin& node, const Inode& inode);

  // `name` in a folder: its node, with one more lookup, and what it is at the moment.
  int look_up(const Pin& folder, const char* name, Pin& node, Inode& inode);
  int admit(const Pin& folder, const char* name, Fd fd, const Inode& inode, Pin& node);
  // A regular file; anything else is refused, as is writing where the folder is read-only.
  int open_file(const Pin& node, int flags, Fd& out) const;
  int open_for_guest(const Pin& node, uint32_t flags, uint32_t fuse_flags, Fd& out) const;  // as OPEN asks
  int open_handle(const Pin& node, Fd fd, uint32_t flags, const Inode& inode, fuse_open_out& out);
};

using State = FuseServer::State;
// An errno, or 0 with the reply's body put.
using Operation = int (*)(State&, Request&, Reply&);

int op_init(State&, Request&, Reply&);
int op_destroy(State&, Request&, Reply&);
int op_statfs(State&, Request&, Reply&);

int op_lookup(State&, Request&, Reply&);
int op_forget(State&, Request&, Reply&);
int op_batch_forget(State&, Request&, Reply&);
int op_getattr(State&, Request&, Reply&);
int op_readlink(State&, Request&, Reply&);
int op_access(State&, Request&, Reply&);
int op_setattr(State&, Request&, Reply&);

int op_symlink(State&, Request&, Reply&);
int op_mknod(State&, Request&, Reply&);
int op_mkdir(State&, Request&, Reply&);
int op_create(State&, Request&, Reply&);
int op_tmpfile(State&, Request&, Reply&);

int op_unlink(State&, Request&, Reply&);
int op_rmdir(State&, Request&, Reply&);
int op_rename(State&, Request&, Reply&);
int op_rename2(State&, Request&, Reply&);
int op_link(State&, Request&, Reply&);

int op_open(State&, Request&, Reply&);
int op_release(State&, Request&, Reply&);
int op_flush(State&, Request&, Reply&);
int op_fsync(State&, Request&, Reply&);
int op_read(State&, Request&, Reply&);
int op_write(State&, Request&, Reply&);
int op_lseek(State&, Request&, Reply&);
int op_fallocate(State&, Request&, Reply&);
int op_copy_file_range(State&, Request&, Reply&);

int op_opendir(State&, Request&, Reply&);
int op_readdir(State&, Request&, Reply&);
int op_readdirplus(State&, Request&, Reply&);
int op_releasedir(State&, Request&, Reply&);
int op_fsyncdir(State&, Request&, Reply&);

int op_setxattr(State&, Request&, Reply&);
int op_getxattr(State&, Request&, Reply&);
int op_listxattr(State&, Request&, Reply&);
int op_removexattr(State&, Request&, Reply&);

// The most file data in one request: 256 pages, which is what INIT agrees on.
inline constexpr uint32_t kMaxTransfer = 256 * 4096;

// The bits that a write by somebody without CAP_FSETID takes away.
mode_t without_set_id(mode_t mode);
int drop_set_id(int fd);  // of an open file, before it is written to

}  // namespace sandstone::fs
