// Folders: OPENDIR, READDIR, READDIRPLUS, RELEASEDIR, FSYNCDIR.
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string_view>

#include "devices/fs/state.h"

namespace sandstone::fs {
namespace {

constexpr size_t kBuffer = 8192;  // of each open folder, once it is listed

// An entry as getdents64(2) gives it.
struct HostEntry {
  uint64_t inode = 0;
  int64_t next = 0;
  uint8_t type = 0;
  const char* name = nullptr;
  size_t name_length = 0;
  size_t size = 0;
};

HostEntry parse(const char* record) {
  constexpr size_t kLength = 16;
  constexpr size_t kType = 18;
  constexpr size_t kName = 19;
  HostEntry entry;
  uint16_t size = 0;
  std::memcpy(&entry.inode, record, sizeof entry.inode);
  std::memcpy(&entry.next, record + sizeof entry.inode, sizeof entry.next);
  std::memcpy(&size, record + kLength, sizeof size);
  entry.type = static_cast<uint8_t>(record[kType]);
  entry.name = record + kName;
  entry.name_length = ::strnlen(entry.name, size - kName);
  entry.size = size;
  return entry;
}

// Makes sure that the handle has the entry at its position; ENOENT at the end.
int refill(Handle& handle) {
  if (handle.next < handle.entries.size()) return 0;
  handle.next = 0;
  handle.entries.resize(kBuffer);
  const long got = ::syscall(SYS_getdents64, handle.fd.get(), handle.entries.data(), kBuffer);
  const int error = got < 0 ? errno : 0;
  handle.entries.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return got == 0 ? ENOENT : error;
}

// Entries that the guest has gone back over, or past, are read again from where it is now.
int go_to(Handle& handle, uint64_t position) {
  if (position == handle.position && position != 0) return 0;
  if (position > INT64_MAX) return EINVAL;
  if (::lseek(handle.fd.get(), static_cast<off_t>(position), SEEK_SET) < 0) return errno;
  handle.entries.clear();
  handle.next = 0;
  handle.position = position;
  return 0;
}

void put_entry(State& state, const Handle& handle, const HostEntry& entry, bool plus, Reply& reply) {
  const std::string_view name(entry.name, entry.name_length);
  fuse_entry_out found{};  // node 0: the guest asks when it wants to know
  if (plus && name != "." && name != "..") {
    Pin node;
    Inode inode;
    const std::string terminated(name);
    if (state.look_up(handle.node, terminated.c_str(), node, inode) == 0) found = state.entry(node, inode);
  }
  fuse_dirent out{};
  // Also for "..": above the root is nothing that the guest should have a number of.
  out.ino = found.nodeid != 0 ? found.attr.ino
                              : state.numbers.to_guest(handle.node.key.device,
                                                       name == ".." ? handle.node.key.inode : entry.inode);
  out.off = static_cast<uint64_t>(entry.next);
  out.namelen = static_cast<uint32_t>(name.size());
  out.type = entry.type;
  if (plus) reply.put(found);
  reply.put(&out, FUSE_NAME_OFFSET);
  reply.put(name.data(), name.size());
  constexpr char kPadding[8] = {};
  reply.put(kPadding, FUSE_REC_ALIGN(FUSE_NAME_OFFSET + name.size()) - (FUSE_NAME_OFFSET + name.size()));
}

int list(State& state, Request& request, Reply& reply, bool plus) {
  const auto in = request.take<fuse_read_in>();
  auto handle = state.handles.get(in.fh, request.node(), true);
  if (handle == nullptr && in.fh == 0 && state.without_open) {
    // Of a folder that was opened without asking: for this request alone.
    Pin node;
    if (const int error = state.nodes.pin(request.node(), node)) return error;
    if (node.type != S_IFDIR) return ENOTDIR;
    handle = std::make_shared<Handle>();
    if (const int error = open_folder(node.fd(), handle->fd)) return error;
    handle->node = node;
  }
  if (handle == nullptr) return EBADF;
  const std::scoped_lock lock(handle->mutex);
  if (const int error = go_to(*handle, in.offset)) return error;
  size_t room = std::min<size_t>({in.size, kMaxTransfer, reply.room()});
  for (bool first = true;; first = false) {
    const int error = refill(*handle);
    if (error == ENOENT) return 0;
    if (error != 0) return first ? error : 0;
    const HostEntry entry = parse(handle->entries.data() + handle->next);
    const size_t size =
        (plus ? sizeof(fuse_entry_out) : 0) + FUSE_REC_ALIGN(FUSE_NAME_OFFSET + entry.name_length);
    // Before the lookup, which the guest has to be told of.
    if (size > room) return first ? EINVAL : 0;
    put_entry(state, *handle, entry, plus, reply);
    room -= size;
    handle->next += entry.size;
    handle->position = static_cast<uint64_t>(entry.next);
  }
}

}  // namespace

int op_opendir(State& state, Request& request, Reply& reply) {
  if (state.without_open) return ENOSYS;  // the guest's kernel asks no more
  Pin node;
  if (const int error = state.nodes.pin(request.node(), node)) return error;
  if (node.type != S_IFDIR) return ENOTDIR;
  if (state.handles.full()) return ENFILE;
  auto handle = std::make_shared<Handle>();
  if (const int error = open_folder(node.fd(), handle->fd)) return error;
  handle->node = node;
  fuse_open_out out{};
  if (state.lasting()) out.open_flags = FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR;
  if (const int error = state.handles.add(std::move(handle), out.fh)) return error;
  reply.put(out);
  return 0;
}

int op_readdir(State& state, Request& request, Reply& reply) {
  return list(state, request, reply, false);
}
int op_readdirplus(State& state, Request& request, Reply& reply) {
  return list(state, request, reply, true);
}

int op_releasedir(State& state, Request& request, Reply& /*reply*/) {
  const auto in = request.take<fuse_release_in>();
  return state.handles.remove(in.fh, request.node(), true) != nullptr ? 0 : EBADF;
}

int op_fsyncdir(State& state, Request& request, Reply& /*reply*/) {
  const auto in = request.take<fuse_fsync_in>();
  if (state.without_open) return 0;  // nothing here is ever written
  const auto handle = state.handles.get(in.fh, request.node(), true);
  if (handle == nullptr) return EBADF;
  const bool data_only = (in.fsync_flags & FUSE_FSYNC_FDATASYNC) != 0;
  return (data_only ? ::fdatasync(handle->fd.get()) : ::fsync(handle->fd.get())) == 0 ? 0 : errno;
}

}  // namespace sandstone::fs
