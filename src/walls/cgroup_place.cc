#include "walls/cgroup_place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <optional>

#include "walls/cgroup_folder.h"

namespace sandstone::walls {
namespace {

constexpr const char* kPlace = "sandstone";
constexpr const char* kLeaf = "sandstone-supervisor";
constexpr const char* kWhere = "wall control-group";
constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr const char* kUnified =
    "boot with systemd.unified_cgroup_hierarchy=1, so that cgroup v1 does not hold it";

// A process is in one group, whatever its threads run: one of them must not move it back while another moves
// it away.
std::mutex moving;

Fd open_folder(const std::string& path) {
  Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct statfs info{};
  // What a container mounts over /sys/fs/cgroup may be anything.
  if (folder.valid() && (::fstatfs(folder.get(), &info) != 0 || info.f_type != CGROUP2_SUPER_MAGIC))
    folder.reset();
  return folder;
}

// The root of the whole hierarchy, not that of a cgroup namespace: the one group that may hold processes and
// divide its resources as well.
bool is_true_root(int folder) {
  return ::faccessat(folder, "cgroup.type", F_OK, 0) != 0;
}

bool is_ours(int folder, const char* name) {
  struct stat info{};
  return ::fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_uid == ::geteuid();
}

std::string missing_in(const std::string& has, const Controllers& wanted) {
  std::string missing;
  for (const auto name : wanted)
    if (!has_word(has, name)) missing += fmt::format("{}{}", missing.empty() ? "" : ", ", name);
  return missing;
}

// 0 or errno. Controllers that are on already are not touched: in a group with processes even that is
// refused.
int switch_on(int folder, const Controllers& wanted) {
  const std::string has = read_group_file(folder, "cgroup.subtree_control");
  std::string change;
  for (const auto name : wanted)
    if (!has_word(has, name)) change += fmt::format("+{} ", name);
  return change.empty() ? 0 : write_group_file(folder, "cgroup.subtree_control", change);
}

bool is_alone_in(int folder) {
  const std::string processes = read_group_file(folder, "cgroup.procs");
  return processes == fmt::format("{}\n", ::getpid());
}

// Moves this process from `own` to a leaf below it, so that `own` may divide its resources.
int move_to_leaf(int own, const Controllers& wanted) {
  if (::mkdirat(own, kLeaf, 0700) != 0 && errno != EEXIST) return errno;
  const Fd leaf(::openat(own, kLeaf, kFolder));
  if (!leaf.valid()) return errno;
  int error = write_group_file(leaf.get(), "cgroup.procs", "0");
  if (error == 0) error = switch_on(own, wanted);
  if (error != 0) {
    write_group_file(own, "cgroup.procs", "0");
    ::unlinkat(own, kLeaf, AT_REMOVEDIR);
  }
  return error;
}

// The way back, for the last run of a process that was moved. The kernel refuses to switch a controller off
// that a group below still passes on, so another run's limits cannot be lost.
void move_back(int own) {
  const Fd leaf(::openat(own, kLeaf, kFolder));
  if (!leaf.valid() || !is_alone_in(leaf.get())) return;
  std::string change;
  std::string on = read_group_file(own, "cgroup.subtree_control");
  for (const char* name : {"memory", "pids", "cpu"})
    if (has_word(on, name)) change += fmt::format("-{} ", name);
  if (write_group_file(own, "cgroup.subtree_control", change) != 0) return;
  if (write_group_file(own, "cgroup.procs", "0") == 0) ::unlinkat(own, kLeaf, AT_REMOVEDIR);
}

std::string delegation_remedy() {
  if (::access(fmt::format("/run/user/{}/systemd/private", ::geteuid()).c_str(), W_OK) == 0)
    return "systemd-run --user --scope -p Delegate=yes sandstone ...";
  return "let root delegate a group to this user, or run as root";
}

Result<std::vector<GroupFolder>> visible_folders() {
  auto mountinfo = read_file("/proc/self/mountinfo", 16 << 20);
  auto groups = read_file("/proc/self/cgroup");
  if (!mountinfo) return mountinfo.error();
  if (!groups) return groups.error();
  const auto mounts = group_mounts(*mountinfo);
  const auto own = own_group(*groups);
  if (mounts.empty() || !own)
    return Error{kWhere, "cgroup v2 is not mounted", "boot with systemd.unified_cgroup_hierarchy=1"};
  auto folders = group_folders(mounts, *own);
  if (folders.empty())
    return Error{kWhere, "no mount of cgroup v2 shows the group that this process is in",
                 "in a container: give it a cgroup namespace and a mount of its own"};
  return folders;
}

}  // namespace

Objection objection_to(int folder, const std::string& path, const Controllers& wanted) {
  using Kind = Objection::Kind;
  // Who owns a group can move processes in and out of it and below it: it must be the caller, even for root.
  for (const char* name : {".", "cgroup.procs", "cgroup.subtree_control"}) {
    if (!is_ours(folder, name))
      return {Kind::not_ours, "no part of cgroup v2 is delegated to this user", delegation_remedy()};
    if (::faccessat(folder, name, W_OK, AT_EACCESS) != 0) {
      if (errno == EROFS)
        return {Kind::other, "cgroup v2 is mounted read-only",
                "in a container: mount /sys/fs/cgroup writable"};
      return {Kind::other, fmt::format("{} cannot be written", path), delegation_remedy()};
    }
  }
  const std::string missing = missing_in(read_group_file(folder, "cgroup.controllers"), wanted);
  if (!missing.empty())
    return {Kind::other, fmt::format("the control group {} does not have the controller {}", path, missing),
            "switch it on in the cgroup.subtree_control of the groups above"};
  return {};
}

Support GroupPlace::survey(const Controllers& wanted) {
  auto folders = visible_folders();
  if (!folders) return {false, {}, folders.error().what, folders.error().remedy};
  // What the topmost group lacks, none below can have, whoever owns it.
  if (const Fd top = open_folder(folders->back().path); top.valid()) {
    const std::string missing = missing_in(read_group_file(top.get(), "cgroup.controllers"), wanted);
    if (!missing.empty())
      return {false, {}, fmt::format("cgroup v2 does not have the controller {} here", missing), kUnified};
  }
  Objection worst;
  for (const GroupFolder& folder : *folders) {
    const Fd fd = open_folder(folder.path);
    if (!fd.valid()) continue;
    Objection objection = objection_to(fd.get(), folder.path, wanted);
    if (objection.kind == Objection::Kind::none && folder.own && !is_true_root(fd.get()) &&
        !is_alone_in(fd.get()))
      objection = {Objection::Kind::other,
                   fmt::format("other processes are in the control group {} as well", folder.path),
                   "start sandstone alone in a group of its own, or move the others to a group below"};
    if (objection.kind == Objection::Kind::none) return {};
    if (worst.kind != Objection::Kind::other) worst = std::move(objection);
  }
  if (worst.kind == Objection::Kind::none) worst.reason = "cgroup v2 cannot be opened";
  return {false, {}, worst.reason, worst.remedy};
}

// One folder's try, after objection_to() found nothing.
Result<GroupPlace> GroupPlace::claim_below(const GroupFolder& folder, Fd host, const Controllers& wanted) {
  constexpr int kTries = 100;  // another run's end may remove the folder between any two steps
  int error = 0;
  for (int i = 0; i < kTries; ++i) {
    if (error = switch_on(host.get(), wanted); error != 0)
      return system_error(kWhere, fmt::format("cannot switch on the controllers in {}", folder.path), error);
    if (::mkdirat(host.get(), kPlace, 0700) != 0 && errno != EEXIST)
      return system_error(kWhere, fmt::format("cannot make {}/{}", folder.path, kPlace), errno);
    Fd place(::openat(host.get(), kPlace, kFolder));
    error = place.valid() ? 0 : errno;
    if (place.valid() && !is_ours(place.get(), "."))
      return Error{kWhere, fmt::format("{}/{} belongs to somebody else", folder.path, kPlace), "remove it"};
    if (place.valid()) error = switch_on(place.get(), wanted);
    if (place.valid() && error == 0) return GroupPlace(std::move(host), std::move(place));
    if (error != ENOENT && error != ENODEV) break;
  }
  return system_error(kWhere, fmt::format("cannot prepare {}/{}", folder.path, kPlace), error);
}

Result<GroupPlace> GroupPlace::claim(const Controllers& wanted) {
  const std::lock_guard lock(moving);
  auto folders = visible_folders();
  if (!folders) return folders.error();
  std::optional<Error> failure;
  for (const bool in_own : {false, true}) {
    for (const GroupFolder& folder : *folders) {
      Fd host = open_folder(folder.path);
      if (!host.valid() || objection_to(host.get(), folder.path, wanted).kind != Objection::Kind::none)
        continue;
      const bool must_move = folder.own && !is_true_root(host.get());
      if (must_move != in_own) continue;
      if (must_move && !is_alone_in(host.get())) continue;
      if (const int error = must_move ? move_to_leaf(host.get(), wanted) : 0; error != 0) {
        failure = system_error(kWhere, fmt::format("cannot divide {}", folder.path), error);
        continue;
      }
      auto place = claim_below(folder, std::move(host), wanted);
      if (place) return place;
      failure = place.error();
    }
  }
  if (failure) return *failure;
  const Support support = survey(wanted);
  return Error{kWhere, support.reason, support.remedy};
}

GroupPlace& GroupPlace::operator=(GroupPlace&& other) noexcept {
  if (this != &other) {
    leave();
    host_ = std::move(other.host_);
    folder_ = std::move(other.folder_);
  }
  return *this;
}

GroupPlace::~GroupPlace() {
  leave();
}

void GroupPlace::leave() {
  if (!folder_.valid()) return;
  const std::lock_guard lock(moving);
  const auto remove = [&] { return ::unlinkat(host_.get(), kPlace, AT_REMOVEDIR) == 0; };
  bool removed = remove();
  if (!removed) {
    sweep_run_groups(folder_.get());
    removed = remove();
  }
  folder_.reset();
  if (removed) move_back(host_.get());
  host_.reset();
}

}  // namespace sandstone::walls
