// Changes of names: UNLINK, RMDIR, RENAME, RENAME2, LINK.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>

#include "devices/fs/state.h"

namespace sandstone::fs {
namespace {

int remove(State& state, Request& request, int flags) {
  const char* name = nullptr;
  if (const int error = request.take_name(name)) return error;
  if (request.left() != 0) return EINVAL;
  Pin folder;
  if (const int error = state.nodes.pin(request.node(), folder)) return error;
  if (folder.type != S_IFDIR) return ENOTDIR;
  return ::unlinkat(folder.fd(), name, flags) == 0 ? 0 : errno;
}

// So that a node that is closed is found again under its new name.
void remember(State& state, const Pin& folder, const char* name) {
  Fd fd;
  Inode inode;
  if (open_step(folder.fd(), name, state.options.cross_mounts, fd) == 0 && describe(fd.get(), inode) == 0)
    state.nodes.moved(inode.key, folder.id, name);
}

int rename(State& state, Request& request, uint64_t to_folder, uint32_t flags) {
  const char* from = nullptr;
  const char* to = nullptr;
  if (const int error = request.take_name(from)) return error;
  if (const int error = request.take_name(to)) return error;
  if (request.left() != 0) return EINVAL;
  // RENAME_WHITEOUT would make a device node.
  if (flags != 0 && flags != RENAME_NOREPLACE && flags != RENAME_EXCHANGE) return EINVAL;
  Pin source;
  Pin target;
  if (const int error = state.nodes.pin(request.node(), source)) return error;
  if (const int error = state.nodes.pin(to_folder, target)) return error;
  if (source.type != S_IFDIR || target.type != S_IFDIR) return ENOTDIR;
  if (::renameat2(source.fd(), from, target.fd(), to, flags) != 0) return errno;
  remember(state, target, to);
  if (flags == RENAME_EXCHANGE) remember(state, source, from);
  return 0;
}

}  // namespace

int op_unlink(State& state, Request& request, Reply& /*reply*/) {
  return remove(state, request, 0);
}
int op_rmdir(State& state, Request& request, Reply& /*reply*/) {
  return remove(state, request, AT_REMOVEDIR);
}

int op_rename(State& state, Request& request, Reply& /*reply*/) {
  const auto in = request.take<fuse_rename_in>();
  return rename(state, request, in.newdir, 0);
}

int op_rename2(State& state, Request& request, Reply& /*reply*/) {
  const auto in = request.take<fuse_rename2_in>();
  return rename(state, request, in.newdir, in.flags);
}

int op_link(State& state, Request& request, Reply& reply) {
  const auto in = request.take<fuse_link_in>();
  const char* name = nullptr;
  if (const int error = request.take_name(name)) return error;
  if (request.left() != 0) return EINVAL;
  Pin node;
  Pin folder;
  if (const int error = state.nodes.pin(in.oldnodeid, node)) return error;
  if (const int error = state.nodes.pin(request.node(), folder)) return error;
  if (folder.type != S_IFDIR) return ENOTDIR;
  if (node.type == S_IFDIR) return EPERM;
  if (const int error = state.reopener.link(node.fd(), folder.fd(), name)) return error;
  // By the node that was linked, as the new name may mean another file by now.
  Fd fd = node.held->duplicate();
  if (!fd.valid()) return ENFILE;
  Inode inode;
  if (const int error = describe(fd.get(), inode)) return error;
  if (const int error = state.nodes.found(folder.id, name, std::move(fd), inode, node)) return error;
  reply.put(state.entry(node, inode));
  return 0;
}

}  // namespace sandstone::fs
