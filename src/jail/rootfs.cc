#include "jail/rootfs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/sys.h"
#include "jail/ids.h"

namespace sandstone::jail {
namespace {

// A user namespace with these maps, for mount_setattr(2). It needs a process to be born in; that one does
// nothing but wait for its end.
Result<Fd> id_map(const std::string& uids, const std::string& gids) {
  const char* where = "--rootfs";
  auto wait = make_pipe();
  if (!wait) return wait.error();
  const long pid = sys::call(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (pid < 0)
    return system_error(where, "cannot make a user namespace to map its ids", static_cast<int>(-pid));
  if (pid == 0) {
    sys::close(wait->write.get());
    char end = 0;
    sys::read(wait->read.get(), &end, 1);
    for (;;) sys::call(SYS_exit_group, 0);
  }
  Result<void> mapped = write_file(fmt::format("/proc/{}/uid_map", pid), uids);
  if (mapped) mapped = write_file(fmt::format("/proc/{}/gid_map", pid), gids);
  Fd ns(::open(fmt::format("/proc/{}/ns/user", pid).c_str(), O_RDONLY | O_CLOEXEC));
  wait->write.reset();
  while (::waitpid(static_cast<pid_t>(pid), nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!mapped) return Error{where, mapped.error().line(), {}};
  if (!ns.valid()) return Error{where, "cannot open the user namespace that maps its ids", {}};
  return ns;
}

}  // namespace

Result<void> prepare_rootfs(walls::Setup& setup, std::vector<Missing>& missing) {
  const std::string& rootfs = setup.spec.rootfs;
  if (rootfs.empty() || !setup.caller_is_root || !setup.has("user")) return {};
  struct stat info{};
  if (::stat(rootfs.c_str(), &info) != 0) return system_error("--rootfs", fmt::format("'{}'", rootfs), errno);
  const User owner{info.st_uid, info.st_gid};
  if (!setup.has_id_range && owner.uid == setup.outside.uid && owner.gid == setup.outside.gid) return {};

  Fd mount(sys::open_tree(AT_FDCWD, rootfs.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (mount.get() < 0)
    return system_error("--rootfs", fmt::format("cannot use '{}'", rootfs), -mount.release());
  auto map = id_map(tree_map(owner.uid, setup.inside.uid, setup.outside.uid, setup.has_id_range),
                    tree_map(owner.gid, setup.inside.gid, setup.outside.gid, setup.has_id_range));
  if (!map) return map.error();
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<uint64_t>(map->get());
  const int r = sys::mount_setattr(mount.get(), "", AT_EMPTY_PATH, attributes);
  if (r == 0) {
    setup.rootfs_mount = std::move(mount);
    return {};
  }
  const auto reason =
      fmt::format("the file system of '{}' cannot show the files of uid {} as the workload's root's: {}",
                  rootfs, owner.uid, std::strerror(-r));
  const auto remedy = fmt::format("give the tree to nobody (chown -R {}:{}), or run Sandstone as its owner",
                                  setup.outside.uid, setup.outside.gid);
  if (!setup.spec.best_effort) return Error{"--rootfs", reason, remedy + "; --best-effort goes on without"};
  missing.push_back({"rootfs-ids", reason, remedy});
  return {};
}

Result<void> prepare_save(walls::Setup& setup) {
  const std::string& folder = setup.spec.save_directory;
  if (folder.empty()) return {};
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST)
    return system_error("--save", fmt::format("cannot make '{}'", folder), errno);
  Fd save(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!save.valid()) return system_error("--save", fmt::format("cannot open '{}'", folder), errno);
  // Two overlays over one folder corrupt it.
  if (::flock(save.get(), LOCK_EX | LOCK_NB) != 0)
    return Error{"--save", fmt::format("'{}' is in use by another run", folder),
                 "wait for its end, or choose another folder"};
  const User roots{on_host(0, setup.inside.uid, setup.outside.uid, setup.has_id_range),
                   on_host(0, setup.inside.gid, setup.outside.gid, setup.has_id_range)};
  for (const char* name : {"upper", "work"}) {
    const auto path = fmt::format("{}/{}", folder, name);
    if (::mkdirat(save.get(), name, 0755) != 0 && errno != EEXIST)
      return system_error("--save", fmt::format("cannot make '{}'", path), errno);
    // Not through a link: whoever may write the folder could have root give away something else.
    const Fd part(::openat(save.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!part.valid()) return system_error("--save", fmt::format("cannot open '{}'", path), errno);
    if (setup.caller_is_root && ::fchown(part.get(), roots.uid, roots.gid) != 0)
      return system_error("--save", fmt::format("cannot give '{}' to the workload", path), errno);
  }
  setup.save_lock = std::move(save);
  return {};
}

}  // namespace sandstone::jail
