// Open files: OPEN, RELEASE, FLUSH, FSYNC.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "devices/fs/state.h"

namespace sandstone::fs {

int State::open_file(const Pin& node, int flags, Fd& out) const {
  if (node.type == S_IFDIR) return EISDIR;
  // The guest opens FIFOs, sockets and devices inside its own kernel. Here, opening one would block or reach
  // a device.
  if (node.type != S_IFREG) return ENXIO;
  if (options.read_only && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0)) return EROFS;
  return reopener.open(node.fd(), flags, out);
}

int State::open_for_guest(const Pin& node, uint32_t flags, uint32_t fuse_flags, Fd& out) const {
  if ((flags & O_ACCMODE) == O_ACCMODE || (!options.direct_io && (flags & O_DIRECT) != 0)) return EINVAL;
  // Not O_APPEND, which each write says anew; not O_DIRECT, which asks for an alignment that guest memory
  // need not have.
  constexpr uint32_t kPassed = O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC;
  if (const int error = open_file(node, static_cast<int>(flags & kPassed), out)) return error;
  const bool drop = (flags & O_TRUNC) != 0 && (fuse_flags & FUSE_OPEN_KILL_SUIDGID) != 0;
  return drop ? drop_set_id(out.get()) : 0;
}

int State::open_handle(const Pin& node, Fd fd, uint32_t flags, const Inode& inode, fuse_open_out& out) {
  auto handle = std::make_shared<Handle>();
  handle->node = node;
  handle->fd = std::move(fd);
  handle->readable = (flags & O_ACCMODE) != O_WRONLY;
  handle->writable = (flags & O_ACCMODE) != O_RDONLY;
  // Close-to-open: what the guest has cached is good if the file is as it was at the last open.
  const bool unchanged = nodes.unchanged(node.id, inode);
  if (lasting() || (unchanged && options.cache == CachePolicy::automatic)) out.open_flags |= FOPEN_KEEP_CACHE;
  if (!handle->writable) out.open_flags |= FOPEN_NOFLUSH;
  return handles.add(std::move(handle), out.fh);
}

int op_open(State& state, Request& request, Reply& reply) {
  const auto in = request.take<fuse_open_in>();
  if (state.without_open) return ENOSYS;  // the guest's kernel asks no more
  Pin node;
  if (const int error = state.nodes.pin(request.node(), node)) return error;
  if (state.handles.full()) return ENFILE;
  Fd file;
  if (const int error = state.open_for_guest(node, in.flags, in.open_flags, file)) return error;
  Inode inode;
  if (const int error = describe(file.get(), inode)) return error;
  fuse_open_out out{};
  if (const int error = state.open_handle(node, std::move(file), in.flags, inode, out)) return error;
  reply.put(out);
  return 0;
}

int op_release(State& state, Request& request, Reply& /*reply*/) {
  const auto in = request.take<fuse_release_in>();
  return state.handles.remove(in.fh, request.node(), false) != nullptr ? 0 : EBADF;
}

// Closing a copy brings out errors that the host's file system has kept until now.
int op_flush(State& state, Request& request, Reply& /*reply*/) {
  const auto in = request.take<fuse_flush_in>();
  if (state.without_open) return ENOSYS;
  const auto handle = state.handles.get(in.fh, request.node(), false);
  if (handle == nullptr) return EBADF;
  if (!handle->writable) return 0;
  Fd copy = handle->fd.duplicate();
  if (!copy.valid()) return 0;
  return ::close(copy.release()) == 0 || errno == EINTR ? 0 : errno;
}

int op_fsync(State& state, Request& request, Reply& /*reply*/) {
  const auto in = request.take<fuse_fsync_in>();
  const auto handle = state.handles.get(in.fh, request.node(), false);
  if (handle == nullptr) return EBADF;
  const bool data_only = (in.fsync_flags & FUSE_FSYNC_FDATASYNC) != 0;
  return (data_only ? ::fdatasync(handle->fd.get()) : ::fsync(handle->fd.get())) == 0 ? 0 : errno;
}

}  // namespace sandstone::fs
