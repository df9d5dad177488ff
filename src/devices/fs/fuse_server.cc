#include "devices/fs/fuse_server.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "devices/fs/state.h"

namespace sandstone::fs {
namespace {

struct Rule {
  Operation run = nullptr;
  uint16_t in = 0;            // bytes of the arguments' fixed part
  uint16_t out = 0;           // bytes of the answer's fixed part
  bool changes = false;       // refused where the folder is read-only
  bool answers = true;        // false: the guest expects none, and looks at none
  bool data_follows = false;  // what follows the fixed part is file data, and is not copied
  bool before_init = false;
};

constexpr size_t kEntry = sizeof(fuse_entry_out);
constexpr Rule kNone;

// By opcode, and in no other way does a request become an operation. Absent ones answer ENOSYS, after which
// the guest's kernel does without: locks (POSIX and flock) are then the guest's own.
constexpr auto kRules = [] {
  std::array<Rule, FUSE_TMPFILE + 1> rules{};
  rules[FUSE_LOOKUP] = {op_lookup, 0, kEntry};
  rules[FUSE_FORGET] = {op_forget, sizeof(fuse_forget_in), 0, false, false};
  rules[FUSE_GETATTR] = {op_getattr, sizeof(fuse_getattr_in), sizeof(fuse_attr_out)};
  rules[FUSE_SETATTR] = {op_setattr, sizeof(fuse_setattr_in), sizeof(fuse_attr_out), true};
  rules[FUSE_READLINK] = {op_readlink};
  rules[FUSE_SYMLINK] = {op_symlink, 0, kEntry, true};
  rules[FUSE_MKNOD] = {op_mknod, sizeof(fuse_mknod_in), kEntry, true};
  rules[FUSE_MKDIR] = {op_mkdir, sizeof(fuse_mkdir_in), kEntry, true};
  rules[FUSE_UNLINK] = {op_unlink, 0, 0, true};
  rules[FUSE_RMDIR] = {op_rmdir, 0, 0, true};
  rules[FUSE_RENAME] = {op_rename, sizeof(fuse_rename_in), 0, true};
  rules[FUSE_LINK] = {op_link, sizeof(fuse_link_in), kEntry, true};
  rules[FUSE_OPEN] = {op_open, sizeof(fuse_open_in), sizeof(fuse_open_out)};
  rules[FUSE_READ] = {op_read, sizeof(fuse_read_in)};
  rules[FUSE_WRITE] = {op_write, sizeof(fuse_write_in), sizeof(fuse_write_out), true, true, true};
  rules[FUSE_STATFS] = {op_statfs, 0, sizeof(fuse_statfs_out)};
  rules[FUSE_RELEASE] = {op_release, sizeof(fuse_release_in)};
  rules[FUSE_FSYNC] = {op_fsync, sizeof(fuse_fsync_in)};
  rules[FUSE_SETXATTR] = {op_setxattr, FUSE_COMPAT_SETXATTR_IN_SIZE, 0, true};
  rules[FUSE_GETXATTR] = {op_getxattr, sizeof(fuse_getxattr_in)};
  rules[FUSE_LISTXATTR] = {op_listxattr, sizeof(fuse_getxattr_in)};
  rules[FUSE_REMOVEXATTR] = {op_removexattr, 0, 0, true};
  rules[FUSE_FLUSH] = {op_flush, sizeof(fuse_flush_in)};
  rules[FUSE_INIT] = {op_init, offsetof(fuse_init_in, flags2), sizeof(fuse_init_out), false, true, false,
                      true};
  rules[FUSE_OPENDIR] = {op_opendir, sizeof(fuse_open_in), sizeof(fuse_open_out)};
  rules[FUSE_READDIR] = {op_readdir, sizeof(fuse_read_in)};
  rules[FUSE_RELEASEDIR] = {op_releasedir, sizeof(fuse_release_in)};
  rules[FUSE_FSYNCDIR] = {op_fsyncdir, sizeof(fuse_fsync_in)};
  rules[FUSE_ACCESS] = {op_access, sizeof(fuse_access_in)};
  rules[FUSE_CREATE] = {op_create, sizeof(fuse_create_in), kEntry + sizeof(fuse_open_out), true};
  // A request that is being worked on is not broken off: its thread waits for the disk, never for the guest.
  rules[FUSE_INTERRUPT] = {nullptr, 0, 0, false, false};
  rules[FUSE_DESTROY] = {op_destroy, 0, 0, false, true, false, true};
  rules[FUSE_NOTIFY_REPLY] = {nullptr, 0, 0, false, false};
  rules[FUSE_BATCH_FORGET] = {op_batch_forget, sizeof(fuse_batch_forget_in), 0, false, false};
  rules[FUSE_FALLOCATE] = {op_fallocate, sizeof(fuse_fallocate_in), 0, true};
  rules[FUSE_READDIRPLUS] = {op_readdirplus, sizeof(fuse_read_in)};
  rules[FUSE_RENAME2] = {op_rename2, sizeof(fuse_rename2_in), 0, true};
  rules[FUSE_LSEEK] = {op_lseek, sizeof(fuse_lseek_in), sizeof(fuse_lseek_out)};
  rules[FUSE_COPY_FILE_RANGE] = {op_copy_file_range, sizeof(fuse_copy_file_range_in), sizeof(fuse_write_out),
                                 true};
  rules[FUSE_TMPFILE] = {op_tmpfile, sizeof(fuse_create_in), kEntry + sizeof(fuse_open_out), true};
  // Not here on purpose: SETUPMAPPING and REMOVEMAPPING (no DAX window yet; INIT says so), and SYNCFS, by
  // which a guest could make the host write out the whole file system that the folder lies on, again and
  // again. fsync is honoured.
  return rules;
}();

int run(State& state, const Rule& rule, Request& request, Reply& reply) {
  // Before anything is done: what the guest could not be told of, such as a lookup to forget, must not
  // happen.
  if (rule.answers && reply.room() < rule.out) return EINVAL;
  if (!state.ready && !rule.before_init) return EIO;
  if (rule.changes && state.options.read_only) return EROFS;
  if (!request.read_body(rule.in, rule.data_follows)) return EINVAL;
  return rule.run(state, request, reply);
}

bool has_capability(unsigned which) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  return ::syscall(SYS_capget, &header, data) == 0 && (data[which / 32].effective >> (which % 32) & 1) != 0;
}

}  // namespace

FuseServer::FuseServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
FuseServer::~FuseServer() = default;

Result<std::unique_ptr<FuseServer>> FuseServer::create(Options options) {
  Inode inode;
  if (const int error = describe(options.root.get(), inode))
    return system_error("fs", "cannot use the folder", error);
  if (inode.type() != S_IFDIR) return Error{"fs", "what is to be served is no folder", {}};
  if (is_kernel_window(options.root.get()))
    return Error{"fs", "procfs, sysfs and their like cannot be served", "serve a folder with files"};
  for (const auto& ranges : {options.uids, options.gids})
    if (const char* fault = IdMap(ranges).fault()) return Error{"fs", fault, {}};
  if (options.squash && (!options.uids.empty() || !options.gids.empty()))
    return Error{"fs", "id ranges and one owner for all files exclude each other", {}};
  auto reopener = Reopener::create();
  if (!reopener) return reopener.error();

  // Descriptors: some stay free for the rest of the program and for requests that are being worked on. An
  // open file takes two, as it keeps its node.
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return system_error("fs", "cannot read RLIMIT_NOFILE", errno);
  constexpr rlim_t kReserve = 256;
  constexpr rlim_t kLeast = 64;
  const size_t share = limit.rlim_cur > kReserve + 3 * kLeast ? (limit.rlim_cur - kReserve) / 3 : kLeast;
  const size_t max_held = std::clamp<size_t>(options.max_node_descriptors, 2, share);
  const size_t max_handles = std::min(options.max_handles, share);
  Fd root = options.root.duplicate();
  if (!root.valid()) return system_error("fs", "cannot duplicate the folder's descriptor", errno);
  return std::unique_ptr<FuseServer>(new FuseServer(std::make_unique<State>(
      std::move(options), std::move(reopener).value(), std::move(root), inode, max_held, max_handles)));
}

size_t FuseServer::handle(std::span<const iovec> request_parts, std::span<const iovec> reply_parts) {
  const Chain in(request_parts);
  const Chain out(reply_parts);
  Request request(in);
  Reply reply(out);
  if (!request.read_header()) return reply.finish(request.header().unique, EINVAL);
  const uint32_t opcode = request.header().opcode;
  const Rule& rule = opcode < kRules.size() ? kRules[opcode] : kNone;
  if (rule.answers && !reply.can_answer()) return 0;
  const int error = rule.run != nullptr ? run(*state_, rule, request, reply) : ENOSYS;
  return rule.answers ? reply.finish(request.header().unique, error) : 0;
}

void FuseServer::reset() {
  state_->ready = false;
  state_->handles.clear();
  state_->nodes.clear();
}

FuseServer::Usage FuseServer::usage() const {
  const Nodes::Usage nodes = state_->nodes.usage();
  return {nodes.nodes, nodes.held, state_->handles.size()};
}

State::State(Options given, Reopener through_proc, Fd root, const Inode& inode, size_t max_held,
             size_t max_handles)
    : options(std::move(given)),
      reopener(std::move(through_proc)),
      uids(options.uids),
      gids(options.gids),
      own_uid(::geteuid()),
      own_gid(::getegid()),
      may_chown(has_capability(CAP_CHOWN)),
      numbers(inode.key.device),
      nodes(std::move(root), inode, options.max_nodes, max_held, options.cross_mounts),
      handles(max_handles) {}

}  // namespace sandstone::fs
