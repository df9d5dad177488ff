#include "walls/view.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "base/fd.h"
#include "net/user_network.h"

namespace sandstone::walls {
namespace {

using Kind = ViewStep::Kind;

constexpr const char* kSystemFolders[] = {"/usr",   "/bin",   "/sbin",   "/lib",
                                          "/lib32", "/lib64", "/libx32", "/opt"};

// What programs need of /etc to find libraries, certificates and their own installation. Nothing that tells
// about the host's users, network or secrets. Each is a mount, so nothing is here that programs do without.
constexpr const char* kEtcEntries[] = {"alternatives",
                                       "fonts",
                                       "java-11-openjdk",
                                       "java-17-openjdk",
                                       "java-21-openjdk",
                                       "ld.so.cache",
                                       "mime.types",
                                       "perl",
                                       "pki",
                                       "protocols",
                                       "services",
                                       "ssl/certs",
                                       "ssl/openssl.cnf"};

constexpr const char* kDevices[] = {"null", "zero", "full", "random", "urandom", "tty"};

constexpr uint32_t kPublic = 01777;

ViewStep step_at(Kind kind, std::string destination, Grant grant = Grant::none) {
  ViewStep step;
  step.kind = kind;
  step.destination = std::move(destination);
  step.grant = grant;
  return step;
}

// Everything that the default view offers is readable and can be run; a private folder can be written as
// well.
ViewStep bind(std::string source, std::string destination, Grant grant) {
  ViewStep step = step_at(Kind::bind, std::move(destination), grant);
  step.source = std::move(source);
  step.writable = grant == Grant::read_write;
  return step;
}

ViewStep directory(std::string destination, uint32_t mode, Grant grant = Grant::none) {
  ViewStep step = step_at(Kind::directory, std::move(destination), grant);
  step.mode = mode;
  return step;
}

ViewStep symlink(std::string destination, std::string target) {
  ViewStep step = step_at(Kind::symlink, std::move(destination));
  step.content = std::move(target);
  return step;
}

std::string link_target(const char* path) {
  char target[PATH_MAX];
  const ssize_t size = ::readlink(path, target, sizeof target);
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : std::string();
}

// Whether `path` is `folder` or below it.
bool is_within(const std::string& path, const std::string& folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

// One slash between names, none at the end, no ".".
std::string normalized(const std::string& path) {
  std::string result;
  for (size_t at = 0; at < path.size();) {
    const size_t begin = path.find_first_not_of('/', at);
    if (begin == std::string::npos) break;
    at = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, at - begin);
    if (name != ".") result += "/" + name;
  }
  return result.empty() ? "/" : result;
}

std::string passwd(const Setup& setup) {
  std::string text = "root:x:0:0:root:/root:/bin/sh\n";
  if (setup.inside.uid != 0)
    text +=
        fmt::format("sandbox:x:{}:{}:sandbox:{}:/bin/sh\n", setup.inside.uid, setup.inside.gid, setup.home);
  if (setup.inside.uid != 65534) text += "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
  return text;
}

std::string group(const Setup& setup) {
  std::string text = "root:x:0:\n";
  if (setup.inside.gid != 0) text += fmt::format("sandbox:x:{}:\n", setup.inside.gid);
  if (setup.inside.gid != 65534) text += "nogroup:x:65534:\n";
  return text;
}

class Planner {
 public:
  explicit Planner(Setup& setup)
      : setup_(setup), spec_(setup.spec), view_(setup.view), has_rootfs_(!spec_.rootfs.empty()) {}

  Result<void> plan() {
    view_.clear();
    view_.reserve(96);
    if (has_rootfs_) {
      if (auto checked = check_rootfs(); !checked) return checked;
    } else {
      add_system_folders();
      add_etc();
    }
    // What is written comes before anything is mounted that a rootfs' symlinks could lead the writing into.
    add_identity();
    add_private_folders();
    add_devices();
    add_proc();
    if (auto added = add_mounts(); !added) return added;
    if (auto added = add_working_directory(); !added) return added;
    if (spec_.read_only_root) {
      if (has_rootfs_) view_.push_back(step_at(Kind::seal, "/dev"));
      view_.push_back(step_at(Kind::seal, "/"));
    }
    return {};
  }

 private:
  Result<void> check_rootfs() const {
    struct stat info{};
    struct stat host{};
    if (::stat(spec_.rootfs.c_str(), &info) != 0)
      return system_error("--rootfs", fmt::format("'{}'", spec_.rootfs), errno);
    if (!S_ISDIR(info.st_mode))
      return Error{"--rootfs", fmt::format("'{}' is not a folder", spec_.rootfs), {}};
    if (::stat("/", &host) == 0 && host.st_dev == info.st_dev && host.st_ino == info.st_ino)
      return Error{"--rootfs",
                   fmt::format("'{}' is the host's own root, with all that you can read in it", spec_.rootfs),
                   "leave --rootfs out for a view of the host's system folders"};
    return {};
  }

  // Merged-/usr hosts have /bin as a link into /usr: the link is all that the view needs.
  void add_system_folders() {
    for (const char* folder : kSystemFolders) {
      struct stat info{};
      if (::lstat(folder, &info) != 0) continue;
      if (S_ISLNK(info.st_mode))
        view_.push_back(symlink(folder, link_target(folder)));
      else if (S_ISDIR(info.st_mode))
        view_.push_back(bind(folder, folder, Grant::read_execute));
    }
  }

  void add_etc() {
    view_.push_back(directory("/etc", 0755, Grant::read));
    for (const char* entry : kEtcEntries) {
      const std::string path = fmt::format("/etc/{}", entry);
      ViewStep step = bind(path, path, Grant::none);
      step.may_fail = true;  // not every host has every one
      view_.push_back(std::move(step));
    }
    if (const std::string zone = link_target("/etc/localtime"); !zone.empty()) {
      view_.push_back(symlink("/etc/localtime", zone));
    } else {
      view_.push_back(bind("/etc/localtime", "/etc/localtime", Grant::none));
      view_.back().may_fail = true;
    }
    view_.push_back(symlink("/etc/mtab", "../proc/self/mounts"));
    view_.push_back(symlink("/etc/os-release", "../usr/lib/os-release"));
    add_file("/etc/passwd", passwd(setup_));
    add_file("/etc/group", group(setup_));
    add_file("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
  }

  // In a rootfs: in place of the tree's own, and no reason to fail where there is no place for it.
  void add_file(std::string destination, std::string content) {
    ViewStep step = step_at(has_rootfs_ ? Kind::own_file : Kind::file, std::move(destination));
    step.content = std::move(content);
    step.mode = 0644;
    step.may_fail = has_rootfs_;
    view_.push_back(std::move(step));
  }

  void add_identity() {
    add_file("/etc/hostname", setup_.hostname + "\n");
    if (spec_.network == Network::user) {
      add_file("/etc/resolv.conf", net::resolv_conf());
      add_file("/etc/hosts", net::hosts(setup_.hostname));
      return;
    }
    add_file("/etc/hosts", fmt::format("127.0.0.1 localhost {}\n::1 localhost\n", setup_.hostname));
    if (spec_.network != Network::host) return;
    if (auto servers = read_file("/etc/resolv.conf", 64 << 10)) add_file("/etc/resolv.conf", *servers);
  }

  void add_private_folders() {
    add_private("/tmp", kPublic);
    for (const auto& [path, mode] : {std::pair<const char*, uint32_t>{"/var/tmp", kPublic},
                                     {"/run", 0755},
                                     {setup_.home.c_str(), 0700}}) {
      add_private(path, mode);
      view_.back().may_fail = has_rootfs_;
    }
  }

  void add_private(const char* path, uint32_t mode) {
    ViewStep step = step_at(Kind::private_folder, path, Grant::read_write);
    step.mode = mode;
    step.own_mount = spec_.read_only_root;
    view_.push_back(std::move(step));
  }

  // A rootfs' own /dev could hold anything: what the workload gets is always made here.
  void add_devices() {
    view_.push_back(step_at(has_rootfs_ ? Kind::own_folder : Kind::directory, "/dev", Grant::device));
    for (const char* name : kDevices) {
      const std::string path = fmt::format("/dev/{}", name);
      // Landlock looks for a rule from the file upwards: one on the file itself ends the walk at its first step.
      ViewStep step = bind(path, path, Grant::device);
      step.writable = true;
      step.devices = true;
      view_.push_back(std::move(step));
    }
    view_.push_back(symlink("/dev/ptmx", "pts/ptmx"));
    view_.push_back(symlink("/dev/fd", "/proc/self/fd"));
    view_.push_back(symlink("/dev/stdin", "/proc/self/fd/0"));
    view_.push_back(symlink("/dev/stdout", "/proc/self/fd/1"));
    view_.push_back(symlink("/dev/stderr", "/proc/self/fd/2"));
    add_private("/dev/shm", kPublic);
    view_.push_back(step_at(Kind::devpts, "/dev/pts"));
  }

  // Only the owner of a pid namespace may mount its proc; without one, the host's is all there is.
  void add_proc() {
    if (setup_.has("pid"))
      view_.push_back(step_at(Kind::proc, "/proc", Grant::read_write));
    else
      view_.push_back(bind("/proc", "/proc", Grant::read_write));
  }

  Result<void> add_mounts() {
    for (const Mount& mount : spec_.mounts) {
      const bool is_bind = mount.kind == Mount::Kind::bind;
      ViewStep step = step_at(is_bind ? Kind::bind : Kind::tmpfs, normalized(mount.destination));
      step.origin = is_bind ? "-v" : "--tmpfs";
      step.writable = !is_bind || mount.access == Access::read_write;
      step.grant = step.writable ? Grant::read_write : Grant::read_execute;
      step.mode = kPublic;
      step.bytes =
          mount.size_bytes != 0 ? mount.size_bytes : std::min(kDefaultTmpfsBytes, setup_.private_bytes);
      if (is_bind) {
        struct stat info{};
        if (::stat(mount.source.c_str(), &info) != 0)
          return system_error("-v", fmt::format("the source '{}'", mount.source), errno, "create it first");
        step.source = mount.source;
      }
      if (auto checked = check_destination(step); !checked) return checked;
      view_.push_back(std::move(step));
    }
    return {};
  }

  // The walls' own mounts stay on top of whatever is asked for.
  [[nodiscard]] Result<void> check_destination(const ViewStep& step) const {
    const std::string& path = step.destination;
    bool refused = is_within(path, "/proc") || path == "/dev" || is_within(path, "/dev/pts");
    for (const char* name : {"/dev/ptmx", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"})
      refused = refused || path == name;
    for (const char* name : kDevices) refused = refused || path == fmt::format("/dev/{}", name);
    if (refused)
      return Error{step.origin, fmt::format("a mount over '{}' would cover what Sandstone puts there", path),
                   "choose another destination"};
    return check_place(step.origin, path);
  }

  // A place below something read-only cannot be made: said before anything starts, with what to do about it.
  [[nodiscard]] Result<void> check_place(const char* flag, const std::string& path) const {
    const ViewStep* cover = nullptr;
    for (const ViewStep& step : view_)
      if (step.kind != Kind::file && step.kind != Kind::symlink && is_within(path, step.destination))
        cover = &step;
    if (cover == nullptr || cover->kind != Kind::bind || cover->writable) return {};
    const std::string on_host = cover->source + path.substr(cover->destination.size());
    struct stat info{};
    if (::stat(on_host.c_str(), &info) == 0 || errno != ENOENT) return {};
    return Error{
        flag,
        fmt::format("'{}' is not there and cannot be made: '{}' is read-only", path, cover->destination),
        fmt::format("make '{}' on the host, or choose a place elsewhere", on_host)};
  }

  Result<void> add_working_directory() {
    const std::string& chosen = spec_.working_directory;
    if (chosen.empty()) return {};
    const std::string path = normalized(chosen);
    if (auto checked = check_place("-w", path); !checked) return checked;
    bool elsewhere = path != "/";
    for (const ViewStep& step : view_) elsewhere = elsewhere && !is_within(path, step.destination);
    // In a place of its own it belongs to the workload; anywhere else that place decides.
    ViewStep step = directory(path, 0755, elsewhere ? Grant::read_write : Grant::none);
    step.origin = "-w";
    view_.push_back(std::move(step));
    return {};
  }

  Setup& setup_;
  const RunSpec& spec_;
  std::vector<ViewStep>& view_;
  const bool has_rootfs_;
};

}  // namespace

Result<void> plan_view(Setup& setup) {
  return Planner(setup).plan();
}

std::vector<ViewStep> host_grants(const Setup& setup) {
  std::vector<ViewStep> grants;
  for (const char* folder : kSystemFolders) grants.push_back(directory(folder, 0, Grant::read_execute));
  for (const char* entry : kEtcEntries)
    grants.push_back(directory(fmt::format("/etc/{}", entry), 0, Grant::read));
  for (const char* name : kDevices)
    grants.push_back(directory(fmt::format("/dev/{}", name), 0, Grant::device));
  grants.push_back(directory("/dev/pts", 0, Grant::device));
  grants.push_back(directory("/proc/self", 0, Grant::read));
  for (const Mount& mount : setup.spec.mounts) {
    const bool writable = mount.access == Access::read_write;
    if (mount.kind == Mount::Kind::bind)
      grants.push_back(directory(mount.source, 0, writable ? Grant::read_write : Grant::read_execute));
  }
  return grants;
}

}  // namespace sandstone::walls
