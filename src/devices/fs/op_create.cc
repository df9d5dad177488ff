// New files: SYMLINK, MKNOD, MKDIR, CREATE, TMPFILE.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "base/sys.h"
#include "devices/fs/state.h"

namespace sandstone::fs {
namespace {

// What a new file in a folder is to be.
struct Plan {
  Pin folder;
  Owner owner;
  uint32_t mode = 0;  // on the host
  timespec begun{};
};

int plan(State& state, const Request& request, uint32_t mode, Plan& out) {
  if (const int error = state.nodes.pin(request.node(), out.folder)) return error;
  if (out.folder.type != S_IFDIR) return ENOTDIR;
  if (state.nodes.full()) return ENFILE;  // before anything is made that the guest could not be told of
  out.mode = state.allowed_mode(mode);
  if (!state.options.squash) {
    Inode folder;
    if (const int error = describe(out.folder.fd(), folder)) return error;
    // A set-group-id folder gives its group, which the host sees to.
    const bool inherits = (folder.stat.stx_mode & S_ISGID) != 0;
    const auto& caller = request.header();
    if (caller.uid == Owner::kLeave || caller.gid == Owner::kLeave) return EPERM;
    if (const int error = state.host_owner(caller.uid, inherits ? Owner::kLeave : caller.gid, out.owner))
      return error;
    if (out.owner.uid == state.own_uid) out.owner.uid = Owner::kLeave;
    if (out.owner.gid == state.own_gid) out.owner.gid = Owner::kLeave;
    if (out.owner.any() && !state.may_chown) return EPERM;
  }
  ::clock_gettime(CLOCK_REALTIME_COARSE, &out.begun);
  return 0;
}

// Nobody else may look into the new file before it has its owner.
mode_t first_mode(const Plan& plan) {
  return plan.owner.any() ? plan.mode & 0700U : plan.mode & 07777U;
}

// What was made by name was opened by name, and somebody on the host may have put something else there in
// between, to have us give it away. What we made is ours and was born just now. (The slack is for file
// servers' clocks.)
bool is_new(const State& state, const Plan& plan, const Inode& inode, uint16_t type) {
  constexpr int64_t kSlack = 1;
  return inode.type() == type && inode.stat.stx_uid == state.own_uid &&
         (inode.key.birth == 0 || inode.stat.stx_btime.tv_sec >= plan.begun.tv_sec - kSlack);
}

// Owner and mode of a new file that is open as `fd`; the process's umask and the folder's default ACL have
// had a say.
int settle(const State& state, const Plan& plan, int fd, Inode& inode) {
  if (plan.owner.any() && ::fchownat(fd, "", plan.owner.uid, plan.owner.gid, AT_EMPTY_PATH) != 0)
    return errno;
  if (const int error = describe(fd, inode)) return error;
  if (inode.type() == S_IFLNK) return 0;
  mode_t wanted = plan.mode & 07777U;
  if (inode.type() == S_IFDIR)
    wanted |= inode.stat.stx_mode & S_ISGID;  // a set-group-id folder passes that on
  if ((inode.stat.stx_mode & 07777U) == wanted) return 0;
  if (const int error = state.reopener.change_mode(fd, wanted)) return error;
  return describe(fd, inode);
}

int finish_named(State& state, const Plan& plan, const char* name, uint16_t type, Reply& reply) {
  Fd fd;
  Inode inode;
  if (const int error = open_step(plan.folder.fd(), name, state.options.cross_mounts, fd)) return error;
  if (const int error = describe(fd.get(), inode)) return error;
  if (!is_new(state, plan, inode, type)) return ESTALE;
  if (const int error = settle(state, plan, fd.get(), inode)) return error;
  Pin node;
  if (const int error = state.admit(plan.folder, name, std::move(fd), inode, node)) return error;
  reply.put(state.entry(node, inode));
  return 0;
}

// Makes and opens a regular file; never one that is there already.
int make_regular(const State& state, const Plan& plan, const char* name, int flags, Fd& file, Inode& inode) {
  const int fd = sys::openat(plan.folder.fd(), name, flags | O_CREAT | O_EXCL | O_NOFOLLOW, first_mode(plan));
  if (fd < 0) return -fd == EMFILE ? ENFILE : -fd;
  file = Fd(fd);
  const int error = settle(state, plan, fd, inode);
  // Somebody else's file of that name goes instead if he was quick enough to replace ours: as he could have
  // done himself.
  if (error != 0) ::unlinkat(plan.folder.fd(), name, 0);
  return error;
}

int reply_opened(State& state, const Pin& node, Fd file, uint32_t flags, const Inode& inode, Reply& reply) {
  fuse_open_out out{};
  if (const int error = state.open_handle(node, std::move(file), flags, inode, out)) {
    state.nodes.forget(node.id, 1);  // the guest is told of no node
    return error;
  }
  reply.put(state.entry(node, inode));
  reply.put(out);
  return 0;
}

// The node of a file that is open, by its own descriptor: the name may mean another file by now.
int admit_open(State& state, const Plan& plan, const char* name, const Fd& file, const Inode& inode,
               Pin& node) {
  Fd fd;
  if (const int error = state.reopener.open(file.get(), O_PATH, fd)) return error;
  return state.admit(plan.folder, name, std::move(fd), inode, node);
}

}  // namespace

int op_symlink(State& state, Request& request, Reply& reply) {
  const char* name = nullptr;
  const char* target = nullptr;
  if (const int error = request.take_name(name)) return error;
  if (const int error = request.take_text(target, Request::kMaxTarget)) return error;
  if (request.left() != 0) return EINVAL;
  Plan made;
  if (const int error = plan(state, request, 0777, made)) return error;
  if (::symlinkat(target, made.folder.fd(), name) != 0) return errno;
  return finish_named(state, made, name, S_IFLNK, reply);
}

int op_mknod(State& state, Request& request, Reply& reply) {
  const auto in = request.take<fuse_mknod_in>();
  const char* name = nullptr;
  if (const int error = request.take_name(name)) return error;
  if (request.left() != 0) return EINVAL;
  const auto type = static_cast<uint16_t>((in.mode & S_IFMT) == 0 ? S_IFREG : in.mode & S_IFMT);
  // A device node made by a guest would be a way to the host's devices for whoever opens it there.
  if (type != S_IFREG && type != S_IFIFO && type != S_IFSOCK) return EPERM;
  Plan made;
  if (const int error = plan(state, request, in.mode, made)) return error;
  if (type != S_IFREG) {
    if (::mknodat(made.folder.fd(), name, type | first_mode(made), 0) != 0) return errno;
    return finish_named(state, made, name, type, reply);
  }
  Fd file;
  Inode inode;
  Pin node;
  if (const int error = make_regular(state, made, name, O_RDONLY, file, inode)) return error;
  if (const int error = admit_open(state, made, name, file, inode, node)) return error;
  reply.put(state.entry(node, inode));
  return 0;
}

int op_mkdir(State& state, Request& request, Reply& reply) {
  const auto in = request.take<fuse_mkdir_in>();
  const char* name = nullptr;
  if (const int error = request.take_name(name)) return error;
  if (request.left() != 0) return EINVAL;
  Plan made;
  if (const int error = plan(state, request, in.mode, made)) return error;
  if (::mkdirat(made.folder.fd(), name, first_mode(made)) != 0) return errno;
  return finish_named(state, made, name, S_IFDIR, reply);
}

int op_create(State& state, Request& request, Reply& reply) {
  const auto in = request.take<fuse_create_in>();
  const char* name = nullptr;
  if (const int error = request.take_name(name)) return error;
  if (request.left() != 0 || (in.flags & O_ACCMODE) == O_ACCMODE || (!state.options.direct_io && (in.flags & O_DIRECT) != 0)) return EINVAL;
  if (in.mode != 0 && (in.mode & S_IFMT) != 0 && (in.mode & S_IFMT) != S_IFREG) return EINVAL;
  Plan made;
  if (const int error = plan(state, request, in.mode, made)) return error;
  if (state.handles.full()) return ENFILE;
  const int flags = static_cast<int>(in.flags & (O_ACCMODE | O_SYNC | O_DSYNC));

  // The guest may not know yet that the file is there, or still believe so.
  for (int tries = 0; tries < 8; ++tries) {
    Fd file;
    Inode inode;
    Pin node;
    const int error = make_regular(state, made, name, flags, file, inode);
    if (error == 0) {
      if (const int failure = admit_open(state, made, name, file, inode, node)) return failure;
      return reply_opened(state, node, std::move(file), in.flags, inode, reply);
    }
    if (error != EEXIST || (in.flags & O_EXCL) != 0) return error;
    const int missing = state.look_up(made.folder, name, node, inode);
    if (missing == ENOENT) continue;
    if (missing != 0) return missing;
    int failure = node.type == S_IFLNK ? ELOOP : state.open_for_guest(node, in.flags, in.open_flags, file);
    if (failure == 0) failure = describe(file.get(), inode);
    if (failure == 0) return reply_opened(state, node, std::move(file), in.flags, inode, reply);
    state.nodes.forget(node.id, 1);
    return failure;
  }
  return EAGAIN;
}

int op_tmpfile(State& state, Request& request, Reply& reply) {
  const auto in = request.take<fuse_create_in>();
  if ((in.flags & O_ACCMODE) == O_RDONLY || (in.flags & O_ACCMODE) == O_ACCMODE) return EINVAL;
  Plan made;  // the name that follows is "/" and means nothing
  if (const int error = plan(state, request, in.mode, made)) return error;
  if (state.handles.full()) return ENFILE;
  const int flags = static_cast<int>(in.flags & (O_ACCMODE | O_SYNC | O_DSYNC));
  const int fd = sys::openat(made.folder.fd(), ".", flags | O_TMPFILE, first_mode(made));
  if (fd < 0) return -fd == EMFILE ? ENFILE : -fd;
  Fd file(fd);
  Inode inode;
  Pin node;
  if (const int error = settle(state, made, fd, inode)) return error;
  if (const int error = admit_open(state, made, nullptr, file, inode, node)) return error;
  return reply_opened(state, node, std::move(file), in.flags, inode, reply);
}

}  // namespace sandstone::fs
