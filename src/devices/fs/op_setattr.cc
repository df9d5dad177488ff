// SETATTR: mode, owner, size and times.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "devices/fs/state.h"

namespace sandstone::fs {
namespace {

constexpr uint32_t kNanoseconds = 1'000'000'000;

int set_owner(const State& state, const Pin& node, const fuse_setattr_in& in) {
  Owner owner;
  if (const int error = state.host_owner((in.valid & FATTR_UID) != 0 ? in.uid : Owner::kLeave,
                                         (in.valid & FATTR_GID) != 0 ? in.gid : Owner::kLeave, owner))
    return error;
  if (!owner.any()) return 0;
  return ::fchownat(node.fd(), "", owner.uid, owner.gid, AT_EMPTY_PATH) == 0 ? 0 : errno;
}

int set_size(State& state, const Pin& node, const fuse_setattr_in& in) {
  if (node.type != S_IFREG) return node.type == S_IFDIR ? EISDIR : EINVAL;
  if (in.size > INT64_MAX) return EINVAL;
  std::shared_ptr<Handle> handle;
  if ((in.valid & FATTR_FH) != 0) handle = state.handles.get(in.fh, node.id, false);
  Fd own;
  if (handle == nullptr || !handle->writable) {
    if (const int error = state.open_file(node, O_WRONLY, own)) return error;
  }
  const int fd = own.valid() ? own.get() : handle->fd.get();
  if ((in.valid & FATTR_KILL_SUIDGID) != 0)
    if (const int error = drop_set_id(fd)) return error;
  return ::ftruncate(fd, static_cast<off_t>(in.size)) == 0 ? 0 : errno;
}

int set_times(const Pin& node, const fuse_setattr_in& in) {
  const auto time = [&in](uint32_t set, uint32_t now, uint64_t seconds, uint32_t nanoseconds) -> timespec {
    if ((in.valid & set) == 0) return {0, UTIME_OMIT};
    if ((in.valid & now) != 0) return {0, UTIME_NOW};
    return {static_cast<time_t>(seconds), static_cast<long>(nanoseconds)};
  };
  // Two of the numbers beyond are UTIME_NOW and UTIME_OMIT.
  if (((in.valid & FATTR_ATIME) != 0 && in.atimensec >= kNanoseconds) ||
      ((in.valid & FATTR_MTIME) != 0 && in.mtimensec >= kNanoseconds))
    return EINVAL;
  const timespec times[2] = {time(FATTR_ATIME, FATTR_ATIME_NOW, in.atime, in.atimensec),
                             time(FATTR_MTIME, FATTR_MTIME_NOW, in.mtime, in.mtimensec)};
  return ::utimensat(node.fd(), "", times, AT_EMPTY_PATH) == 0 ? 0 : errno;
}

}  // namespace

mode_t without_set_id(mode_t mode) {
  mode &= ~mode_t{S_ISUID};
  if ((mode & S_IXGRP) != 0) mode &= ~mode_t{S_ISGID};  // without it, the bit means mandatory locking
  return mode;
}

int drop_set_id(int fd) {
  struct stat now{};
  if (::fstat(fd, &now) != 0) return errno;
  const mode_t mode = now.st_mode & 07777U;
  const mode_t wanted = without_set_id(mode);
  return wanted == mode || ::fchmod(fd, wanted) == 0 ? 0 : errno;
}

int State::host_owner(uint32_t uid, uint32_t gid, Owner& owner) const {
  if (options.squash) {
    // All files have the one owner, so giving a file to it changes nothing, and to anybody else is
    // impossible.
    const bool same = (uid == Owner::kLeave || uid == options.squash->user()) &&
                      (gid == Owner::kLeave || gid == options.squash->group());
    return same || options.squash->lenient ? 0 : EPERM;
  }
  if (uid != Owner::kLeave) {
    const auto mapped = uids.to_host(uid);
    if (!mapped) return EPERM;
    owner.uid = *mapped;
  }
  if (gid != Owner::kLeave) {
    const auto mapped = gids.to_host(gid);
    if (!mapped) return EPERM;
    owner.gid = *mapped;
  }
  return 0;
}

int op_setattr(State& state, Request& request, Reply& reply) {
  const auto in = request.take<fuse_setattr_in>();
  Pin node;
  if (const int error = state.nodes.pin(request.node(), node)) return error;
  // The owner first: a change of it takes set-id bits away, and the mode may set them.
  if ((in.valid & (FATTR_UID | FATTR_GID)) != 0)
    if (const int error = set_owner(state, node, in)) return error;
  if ((in.valid & FATTR_MODE) != 0) {
    if (node.type == S_IFLNK) return EOPNOTSUPP;
    if (const int error = state.reopener.change_mode(node.fd(), state.allowed_mode(in.mode))) return error;
  }
  if ((in.valid & FATTR_SIZE) != 0)
    if (const int error = set_size(state, node, in)) return error;
  if ((in.valid & (FATTR_ATIME | FATTR_MTIME)) != 0)
    if (const int error = set_times(node, in)) return error;
  Inode inode;
  if (const int error = describe(node.fd(), inode)) return error;
  state.put_attributes(reply, inode);
  return 0;
}

}  // namespace sandstone::fs
