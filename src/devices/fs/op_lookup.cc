// Names and attributes: LOOKUP, FORGET, GETATTR, READLINK, ACCESS.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "devices/fs/state.h"

namespace sandstone::fs {
namespace {

uint64_t seconds_believed(CachePolicy policy) {
  switch (policy) {
    case CachePolicy::never:
      return 0;
    case CachePolicy::automatic:
      return 1;
    case CachePolicy::always:
      return 86400;
  }
  return 0;
}

// As the kernel packs it for FUSE; glibc's dev_t is another.
uint32_t device_number(const struct statx& stat) {
  return (stat.stx_rdev_minor & 0xff) | stat.stx_rdev_major << 8 | (stat.stx_rdev_minor & ~0xffU) << 12;
}

}  // namespace

fuse_attr State::attributes(const Inode& inode) {
  const struct statx& stat = inode.stat;
  fuse_attr out{};
  out.ino = numbers.to_guest(inode.key.device, stat.stx_ino);
  out.size = stat.stx_size;
  out.blocks = stat.stx_blocks;
  out.atime = static_cast<uint64_t>(stat.stx_atime.tv_sec);
  out.mtime = static_cast<uint64_t>(stat.stx_mtime.tv_sec);
  out.ctime = static_cast<uint64_t>(stat.stx_ctime.tv_sec);
  out.atimensec = stat.stx_atime.tv_nsec;
  out.mtimensec = stat.stx_mtime.tv_nsec;
  out.ctimensec = stat.stx_ctime.tv_nsec;
  out.mode = stat.stx_mode;
  out.nlink = stat.stx_nlink;
  out.uid = options.squash ? options.squash->user() : uids.to_guest(stat.stx_uid);
  out.gid = options.squash ? options.squash->group() : gids.to_guest(stat.stx_gid);
  out.rdev = device_number(stat);
  out.blksize = stat.stx_blksize;
  return out;
}

void State::put_attributes(Reply& reply, const Inode& inode) {
  fuse_attr_out out{};
  out.attr_valid = seconds_believed(options.cache);
  out.attr = attributes(inode);
  reply.put(out);
}

fuse_entry_out State::entry(const Pin& node, const Inode& inode) {
  fuse_entry_out out{};
  out.nodeid = node.id;
  out.entry_valid = out.attr_valid = seconds_believed(options.cache);
  out.attr = attributes(inode);
  return out;
}

int State::admit(const Pin& folder, const char* name, Fd fd, const Inode& inode, Pin& node) {
  // Only a mount leads to another file system, so only there is its kind asked for.
  if (inode.key.mount != folder.key.mount || inode.key.device != folder.key.device)
    if (is_kernel_window(fd.get())) return EACCES;
  return nodes.found(folder.id, name, std::move(fd), inode, node);
}

int State::look_up(const Pin& folder, const char* name, Pin& node, Inode& inode) {
  if (folder.type != S_IFDIR) return ENOTDIR;
  // Most names are looked up again and again: then nothing need be opened.
  if (const int error = describe_step(folder.fd(), name, inode)) return error;
  const bool same_mount = inode.key.mount == folder.key.mount;
  if ((same_mount || options.cross_mounts) && nodes.found_again(folder.id, name, inode, node)) return 0;
  Fd fd;
  if (const int error = open_step(folder.fd(), name, options.cross_mounts, fd)) return error;
  if (const int error = describe(fd.get(), inode)) return error;
  return admit(folder, name, std::move(fd), inode, node);
}

int op_lookup(State& state, Request& request, Reply& reply) {
  const char* name = nullptr;
  if (const int error = request.take_name(name)) return error;
  if (request.left() != 0) return EINVAL;
  Pin folder;
  if (const int error = state.nodes.pin(request.node(), folder)) return error;
  Pin node;
  Inode inode;
  const int error = state.look_up(folder, name, node, inode);
  if (error == ENOENT && state.lasting()) {  // node 0: the guest may remember that there is none
    fuse_entry_out none{};
    none.entry_valid = seconds_believed(state.options.cache);
    reply.put(none);
    return 0;
  }
  if (error != 0) return error;
  reply.put(state.entry(node, inode));
  return 0;
}

int op_forget(State& state, Request& request, Reply& /*reply*/) {
  state.nodes.forget(request.node(), request.take<fuse_forget_in>().nlookup);
  return 0;
}

int op_batch_forget(State& state, Request& request, Reply& /*reply*/) {
  const auto in = request.take<fuse_batch_forget_in>();
  // As many as there are, whatever the count says.
  for (uint32_t i = 0; i < in.count && request.left() >= sizeof(fuse_forget_one); ++i) {
    const auto one = request.take<fuse_forget_one>();
    state.nodes.forget(one.nodeid, one.nlookup);
  }
  return 0;
}

int op_getattr(State& state, Request& request, Reply& reply) {
  Pin node;
  if (const int error = state.nodes.pin(request.node(), node)) return error;
  Inode inode;
  if (const int error = describe(node.fd(), inode)) return error;
  state.put_attributes(reply, inode);
  return 0;
}

int op_readlink(State& state, Request& request, Reply& reply) {
  Pin node;
  if (const int error = state.nodes.pin(request.node(), node)) return error;
  if (node.type != S_IFLNK) return EINVAL;
  char target[PATH_MAX];
  const ssize_t length = ::readlinkat(node.fd(), "", target, sizeof target);
  if (length < 0) return errno;
  if (static_cast<size_t>(length) == sizeof target) return ENAMETOOLONG;
  if (static_cast<size_t>(length) > reply.room()) return EINVAL;
  reply.put(target, static_cast<size_t>(length));
  return 0;
}

// The guest's kernel checks permissions by the attributes itself, and does not ask. There is one answer that
// only we know.
int op_access(State& state, Request& request, Reply& /*reply*/) {
  Pin node;
  if (const int error = state.nodes.pin(request.node(), node)) return error;
  const uint32_t mask = request.take<fuse_access_in>().mask;
  if ((mask & ~uint32_t{R_OK | W_OK | X_OK}) != 0) return EINVAL;
  return state.options.read_only && (mask & W_OK) != 0 ? EROFS : 0;
}

}  // namespace sandstone::fs
