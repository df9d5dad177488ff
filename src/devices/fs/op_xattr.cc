// Extended attributes: only "user.*". The others mean something to the host: security.capability makes a
// program privileged, trusted.* steers overlayfs, system.* is access control.
#include <fcntl.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <vector>

#include "devices/fs/state.h"

namespace sandstone::fs {
namespace {

constexpr std::string_view kPrefix = "user.";

int take_attribute(const State& state, Request& request, const char*& name) {
  if (const int error = request.take_text(name, Request::kMaxName))
    return error == ENAMETOOLONG ? ERANGE : error;
  const std::string_view view = name;
  if (!state.options.user_xattrs || !view.starts_with(kPrefix)) return EOPNOTSUPP;
  return view.size() == kPrefix.size() ? EINVAL : 0;
}

// An O_PATH descriptor is not enough for the f…xattr calls. Only files and folders have user attributes.
int open_node(State& state, const Request& request, Fd& out) {
  Pin node;
  if (const int error = state.nodes.pin(request.node(), node)) return error;
  if (node.type != S_IFREG && node.type != S_IFDIR) return EOPNOTSUPP;
  return state.reopener.open(node.fd(), O_RDONLY, out);
}

// Of a call that gave `size` bytes, or would have, where the guest has room for `wanted` (0: it only asks).
int answer(size_t size, const char* bytes, uint32_t wanted, Reply& reply) {
  if (wanted == 0) {
    const fuse_getxattr_out out{static_cast<uint32_t>(size), 0};
    if (reply.room() < sizeof out) return EINVAL;
    reply.put(out);
    return 0;
  }
  if (size > wanted) return ERANGE;
  if (size > reply.room()) return EINVAL;
  reply.put(bytes, size);
  return 0;
}

}  // namespace

int op_setxattr(State& state, Request& request, Reply& /*reply*/) {
  struct {
    uint32_t size;
    uint32_t flags;
  } in{};
  static_assert(sizeof in == FUSE_COMPAT_SETXATTR_IN_SIZE);
  const auto fixed = request.take_bytes(sizeof in);
  std::memcpy(&in, fixed.data(), fixed.size());
  const char* name = nullptr;
  if (const int error = take_attribute(state, request, name)) return error;
  if (in.size != request.left() || (in.flags & ~uint32_t{XATTR_CREATE | XATTR_REPLACE}) != 0) return EINVAL;
  const auto value = request.take_bytes(in.size);
  Fd file;
  if (const int error = open_node(state, request, file)) return error;
  return ::fsetxattr(file.get(), name, value.data(), value.size(), static_cast<int>(in.flags)) == 0 ? 0
                                                                                                    : errno;
}

int op_getxattr(State& state, Request& request, Reply& reply) {
  const auto in = request.take<fuse_getxattr_in>();
  const char* name = nullptr;
  if (const int error = take_attribute(state, request, name)) return error;
  if (request.left() != 0) return EINVAL;
  Fd file;
  if (const int error = open_node(state, request, file)) return error;
  std::vector<char> value(std::min<size_t>(in.size, XATTR_SIZE_MAX));
  const ssize_t size = ::fgetxattr(file.get(), name, value.data(), value.size());
  if (size < 0) return errno;
  return answer(static_cast<size_t>(size), value.data(), in.size, reply);
}

int op_listxattr(State& state, Request& request, Reply& reply) {
  const auto in = request.take<fuse_getxattr_in>();
  if (!state.options.user_xattrs) return EOPNOTSUPP;
  Fd file;
  if (const int error = open_node(state, request, file)) return error;
  std::vector<char> names(XATTR_LIST_MAX);
  const ssize_t size = ::flistxattr(file.get(), names.data(), names.size());
  if (size < 0) return errno;
  std::vector<char> shown;
  for (size_t at = 0; at < static_cast<size_t>(size);) {
    const std::string_view name(names.data() + at);
    if (name.starts_with(kPrefix)) shown.insert(shown.end(), name.begin(), name.end() + 1);
    at += name.size() + 1;
  }
  return answer(shown.size(), shown.data(), in.size, reply);
}

int op_removexattr(State& state, Request& request, Reply& /*reply*/) {
  const char* name = nullptr;
  if (const int error = take_attribute(state, request, name)) return error;
  if (request.left() != 0) return EINVAL;
  Fd file;
  if (const int error = open_node(state, request, file)) return error;
  return ::fremovexattr(file.get(), name) == 0 ? 0 : errno;
}

}  // namespace sandstone::fs
