// INIT, DESTROY and STATFS.
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>

#include "devices/fs/state.h"

namespace sandstone::fs {
namespace {

constexpr uint32_t kOldestMinor = 31;

uint32_t wanted_flags(const Options& options) {
  uint32_t flags = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_DO_READDIRPLUS |
                   FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_ABORT_ERROR |
                   FUSE_MAX_PAGES | FUSE_HANDLE_KILLPRIV_V2;
  // Readlink is cached with the attributes, and listings without a limit in time.
  if (options.cache == CachePolicy::always) flags |= FUSE_CACHE_SYMLINKS;
  if (options.cache == CachePolicy::always && options.read_only)
    flags |= FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT;
  if (options.cache != CachePolicy::always) flags |= FUSE_AUTO_INVAL_DATA;
  // Left out: POSIX ACLs (the guest would have to be told the host's ids in them), submounts (inode numbers
  // are made distinct here), security contexts, DAX.
  return flags;
}

}  // namespace

int op_init(State& state, Request& request, Reply& reply) {
  fuse_init_in in{};
  const auto bytes = request.take_bytes(std::min(request.left(), sizeof in));
  std::memcpy(&in, bytes.data(), bytes.size());
  fuse_init_out out{};
  out.major = FUSE_KERNEL_VERSION;
  out.minor = FUSE_KERNEL_MINOR_VERSION;
  if (in.major > FUSE_KERNEL_VERSION) {  // it is to ask again with ours
    reply.put(out);
    return 0;
  }
  if (in.major < FUSE_KERNEL_VERSION || in.minor < kOldestMinor) return EPROTO;

  // A second INIT is another kernel, or the same one mounting again: what the first one held is gone.
  state.handles.clear();
  state.nodes.clear();
  out.minor = std::min<uint32_t>(in.minor, FUSE_KERNEL_MINOR_VERSION);
  out.max_readahead = in.max_readahead;
  out.flags = in.flags & wanted_flags(state.options);
  constexpr uint32_t kWithoutOpen = FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT;
  state.without_open = (out.flags & kWithoutOpen) == kWithoutOpen;
  out.max_background = 64;
  out.congestion_threshold = 48;
  out.max_write = kMaxTransfer;
  out.time_gran = 1;
  out.max_pages = kMaxTransfer / 4096;
  out.map_alignment = 0;  // the place for a DAX window: log2 of its alignment, with FUSE_MAP_ALIGNMENT
  state.ready = true;
  reply.put(out);
  return 0;
}

int op_destroy(State& state, Request& /*request*/, Reply& /*reply*/) {
  state.ready = false;
  state.handles.clear();
  state.nodes.clear();
  return 0;
}

int op_statfs(State& state, Request& request, Reply& reply) {
  Pin node;
  if (const int error = state.nodes.pin(request.node(), node)) return error;
  struct statfs fs{};
  if (::fstatfs(node.fd(), &fs) != 0) return errno;
  fuse_statfs_out out{};
  out.st.blocks = fs.f_blocks;
  out.st.bfree = fs.f_bfree;
  out.st.bavail = fs.f_bavail;
  out.st.files = fs.f_files;
  out.st.ffree = fs.f_ffree;
  out.st.bsize = static_cast<uint32_t>(fs.f_bsize);
  out.st.namelen = static_cast<uint32_t>(std::min<long>(fs.f_namelen, Request::kMaxName));
  out.st.frsize = static_cast<uint32_t>(fs.f_frsize);
  reply.put(out);
  return 0;
}

}  // namespace sandstone::fs
