// File data: READ, WRITE, LSEEK, FALLOCATE, COPY_FILE_RANGE.
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "devices/fs/state.h"

namespace sandstone::fs {

namespace {

// Of a file that was opened without asking.
int read_node(State& state, uint64_t id, Fd& out) {
  Pin node;
  if (const int error = state.nodes.pin(id, node)) return error;
  return state.open_file(node, O_RDONLY, out);
}

}  // namespace

int op_read(State& state, Request& request, Reply& reply) {
  const auto in = request.take<fuse_read_in>();
  const auto handle = state.handles.get(in.fh, request.node(), false);
  Fd own;
  if (handle == nullptr && in.fh == 0 && state.without_open) {
    if (const int error = read_node(state, request.node(), own)) return error;
  } else if (handle == nullptr || !handle->readable) {
    return EBADF;
  }
  const int fd = own.valid() ? own.get() : handle->fd.get();
  const size_t size = std::min<size_t>({in.size, kMaxTransfer, reply.room()});
  const ssize_t got = read_into(fd, in.offset, reply.chain(), reply.offset(), size);
  if (got < 0) return static_cast<int>(-got);
  reply.filled(static_cast<size_t>(got));
  return 0;
}

int op_write(State& state, Request& request, Reply& reply) {
  const auto in = request.take<fuse_write_in>();
  if (in.size > request.data_size()) return EINVAL;
  const auto handle = state.handles.get(in.fh, request.node(), false);
  if (handle == nullptr || !handle->writable) return EBADF;
  if ((in.write_flags & FUSE_WRITE_KILL_SUIDGID) != 0)
    if (const int error = drop_set_id(handle->fd.get())) return error;
  // Appending is the host's to place, as others may append as well; pages that the guest's kernel wrote back
  // have a place.
  const bool append = (in.flags & O_APPEND) != 0 && (in.write_flags & FUSE_WRITE_CACHE) == 0;
  const size_t size = std::min<size_t>(in.size, kMaxTransfer);
  const ssize_t put = write_from(handle->fd.get(), in.offset, request.chain(), request.data_offset(), size,
                                 append ? RWF_APPEND : 0);
  if (put < 0) return static_cast<int>(-put);
  reply.put(fuse_write_out{static_cast<uint32_t>(put), 0});
  return 0;
}

int op_lseek(State& state, Request& request, Reply& reply) {
  const auto in = request.take<fuse_lseek_in>();
  // The guest's kernel asks no more, and takes files for full of data: grep(1) looks for holes in each that
  // is long.
  if (state.without_open) return ENOSYS;
  const auto handle = state.handles.get(in.fh, request.node(), false);
  if (handle == nullptr) return EBADF;
  if (in.offset > INT64_MAX || (in.whence != SEEK_DATA && in.whence != SEEK_HOLE)) return EINVAL;
  const off_t found = ::lseek(handle->fd.get(), static_cast<off_t>(in.offset), static_cast<int>(in.whence));
  if (found < 0) return errno;
  reply.put(fuse_lseek_out{static_cast<uint64_t>(found)});
  return 0;
}

int op_fallocate(State& state, Request& request, Reply& /*reply*/) {
  const auto in = request.take<fuse_fallocate_in>();
  const auto handle = state.handles.get(in.fh, request.node(), false);
  if (handle == nullptr || !handle->writable) return EBADF;
  if (in.offset > INT64_MAX || in.length > INT64_MAX) return EINVAL;
  constexpr uint32_t kKnown = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
  if ((in.mode & ~kKnown) != 0) return EOPNOTSUPP;
  const int done = ::fallocate(handle->fd.get(), static_cast<int>(in.mode), static_cast<off_t>(in.offset),
                               static_cast<off_t>(in.length));
  return done == 0 ? 0 : errno;
}

int op_copy_file_range(State& state, Request& request, Reply& reply) {
  const auto in = request.take<fuse_copy_file_range_in>();
  const auto from = state.handles.get(in.fh_in, request.node(), false);
  const auto to = state.handles.get(in.fh_out, in.nodeid_out, false);
  if (from == nullptr || to == nullptr || !from->readable || !to->writable) return EBADF;
  if (in.off_in > INT64_MAX || in.off_out > INT64_MAX || in.flags != 0) return EINVAL;
  // A worker is not to be busy for minutes with one request; callers go on where a copy stopped.
  constexpr uint64_t kMost = 64U << 20;
  auto off_in = static_cast<off_t>(in.off_in);
  auto off_out = static_cast<off_t>(in.off_out);
  const ssize_t copied =
      ::copy_file_range(from->fd.get(), &off_in, to->fd.get(), &off_out, std::min(in.len, kMost), 0);
  if (copied < 0) return errno;
  reply.put(fuse_write_out{static_cast<uint32_t>(copied), 0});
  return 0;
}

}  // namespace sandstone::fs
