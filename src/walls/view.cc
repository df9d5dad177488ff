#include "walls/view.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "net/user_network.h"

namespace sandstone::walls {
namespace {

using Kind = ViewStep::Kind;

constexpr const char* kSystemFolders[] = {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt"};

// What programs need of /etc to find libraries, certificates and their own installation. Nothing that tells about the
// host's users, network or secrets.
constexpr const char* kEtcEntries[] = {
    "alternatives", "ca-certificates", "fonts",  "java-17-openjdk", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "magic",
    "mime.types",   "perl",            "pki",    "protocols",       "python3",     "python3.11", "services",     "ssl/certs",
    "ssl/openssl.cnf", "terminfo"};

constexpr const char* kDevices[] = {"null", "zero", "full", "random", "urandom", "tty"};

// Everything that the default view offers is readable and can be run; a private folder can be written as well.
ViewStep bind(std::string source, std::string destination, Grant grant) {
  ViewStep step;
  step.kind = Kind::bind;
  step.source = std::move(source);
  step.destination = std::move(destination);
  step.grant = grant;
  step.writable = grant == Grant::read_write;
  return step;
}

ViewStep directory(std::string destination, uint32_t mode, Grant grant = Grant::none) {
  ViewStep step;
  step.kind = Kind::directory;
  step.destination = std::move(destination);
  step.mode = mode;
  step.grant = grant;
  return step;
}

ViewStep file(std::string destination, std::string content, bool may_fail) {
  ViewStep step;
  step.kind = Kind::file;
  step.destination = std::move(destination);
  step.content = std::move(content);
  step.mode = 0644;
  step.may_fail = may_fail;
  return step;
}

ViewStep symlink(std::string destination, std::string target) {
  ViewStep step;
  step.kind = Kind::symlink;
  step.destination = std::move(destination);
  step.content = std::move(target);
  step.may_fail = true;  // a rootfs may have its own
  return step;
}

ViewStep plain(Kind kind, std::string destination) {
  ViewStep step;
  step.kind = kind;
  step.destination = std::move(destination);
  return step;
}

std::string link_target(const char* path) {
  char target[PATH_MAX];
  const ssize_t size = ::readlink(path, target, sizeof target);
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : std::string();
}

std::string passwd(const Setup& setup) {
  std::string text = "root:x:0:0:root:/root:/bin/sh\n";
  if (setup.inside.uid != 0)
    text += fmt::format("sandbox:x:{}:{}:sandbox:{}:/bin/sh\n", setup.inside.uid, setup.inside.gid, setup.home);
  if (setup.inside.uid != 65534) text += "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
  return text;
}

std::string group(const Setup& setup) {
  std::string text = "root:x:0:\n";
  if (setup.inside.gid != 0) text += fmt::format("sandbox:x:{}:\n", setup.inside.gid);
  if (setup.inside.gid != 65534) text += "nogroup:x:65534:\n";
  return text;
}

// Merged-/usr hosts have /bin as a link into /usr: the link is all that the view needs.
void add_system_folders(std::vector<ViewStep>& view) {
  for (const char* folder : kSystemFolders) {
    struct stat info {};
    if (::lstat(folder, &info) != 0) continue;
    if (S_ISLNK(info.st_mode)) view.push_back(symlink(folder, link_target(folder)));
    else if (S_ISDIR(info.st_mode)) view.push_back(bind(folder, folder, Grant::read_execute));
  }
}

void add_etc(const Setup& setup, std::vector<ViewStep>& view) {
  view.push_back(directory("/etc", 0755, Grant::read_execute));
  for (const char* entry : kEtcEntries) {
    const std::string path = fmt::format("/etc/{}", entry);
    view.push_back(bind(path, path, Grant::none));  // what /etc grants, all below it have
    view.back().optional = true;
  }
  if (const std::string zone = link_target("/etc/localtime"); !zone.empty()) view.push_back(symlink("/etc/localtime", zone));
  view.push_back(file("/etc/passwd", passwd(setup), false));
  view.push_back(file("/etc/group", group(setup), false));
  view.push_back(file("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n", false));
}

void add_identity(const Setup& setup, std::vector<ViewStep>& view) {
  const bool optional = !setup.spec.rootfs.empty();
  view.push_back(file("/etc/hostname", setup.hostname + "\n", optional));
  if (setup.spec.network == Network::user) {
    view.push_back(file("/etc/resolv.conf", net::resolv_conf(), optional));
    view.push_back(file("/etc/hosts", net::hosts(setup.hostname), optional));
  } else {
    view.push_back(file("/etc/hosts", fmt::format("127.0.0.1 localhost {}\n::1 localhost\n", setup.hostname), optional));
  }
  if (setup.spec.network == Network::host && ::access("/etc/resolv.conf", R_OK) == 0)
    view.push_back(bind("/etc/resolv.conf", "/etc/resolv.conf", Grant::read));
}

void add_devices(const Setup& setup, std::vector<ViewStep>& view) {
  // A rootfs's own /dev could hold anything: what the workload gets is always made here.
  ViewStep dev = plain(Kind::tmpfs, "/dev");
  dev.bytes = 1 << 20;
  dev.grant = Grant::device;
  if (setup.spec.rootfs.empty()) dev.kind = Kind::directory;
  view.push_back(dev);
  for (const char* name : kDevices) {
    const std::string path = fmt::format("/dev/{}", name);
    ViewStep step = bind(path, path, Grant::none);
    step.writable = true;
    step.devices = true;
    view.push_back(step);
  }
  view.push_back(directory("/dev/pts", 0755));
  view.push_back(plain(Kind::devpts, "/dev/pts"));
  view.push_back(symlink("/dev/ptmx", "pts/ptmx"));
  view.push_back(symlink("/dev/fd", "/proc/self/fd"));
  view.push_back(symlink("/dev/stdin", "/proc/self/fd/0"));
  view.push_back(symlink("/dev/stdout", "/proc/self/fd/1"));
  view.push_back(symlink("/dev/stderr", "/proc/self/fd/2"));
}

void add_proc(const Setup& setup, std::vector<ViewStep>& view) {
  view.push_back(directory("/proc", 0555));
  ViewStep proc = plain(Kind::proc, "/proc");
  proc.grant = Grant::read_write;
  // Only the owner of a pid namespace may mount its proc; without one, the host's is all there is.
  if (!setup.has("pid")) {
    proc = bind("/proc", "/proc", Grant::read_write);
  }
  view.push_back(proc);
}

// With a read-only root every private folder needs a mount of its own to stay writable.
void add_private_folders(const Setup& setup, std::vector<ViewStep>& view) {
  struct Folder {
    std::string path;
    uint32_t mode;
  };
  std::vector<Folder> folders = {{"/tmp", 01777}, {"/var/tmp", 01777}, {"/dev/shm", 01777}, {"/run", 0755}, {setup.home, 0700}};
  for (const Folder& folder : folders) {
    const bool fresh = setup.spec.rootfs.empty() || folder.path == "/dev/shm";
    if (fresh) view.push_back(directory(folder.path, folder.mode, Grant::read_write));
    ViewStep own = plain(fresh ? Kind::bind_root : Kind::tmpfs, folder.path);
    own.mode = folder.mode;
    own.bytes = setup.spec.limits.disk_bytes.value_or(kDefaultTmpfsBytes);
    own.grant = Grant::read_write;
    if (setup.spec.read_only_root && folder.path != "/dev/shm") view.push_back(own);
  }
}

Result<void> add_mounts(const Setup& setup, std::vector<ViewStep>& view) {
  for (const Mount& mount : setup.spec.mounts) {
    ViewStep step = plain(mount.kind == Mount::Kind::tmpfs ? Kind::tmpfs : Kind::bind, mount.destination);
    step.writable = mount.access == Access::read_write;
    step.grant = step.writable ? Grant::read_write : Grant::read_execute;
    step.mode = mount.kind == Mount::Kind::tmpfs ? 0777 : 0755;
    step.bytes = mount.size_bytes != 0 ? mount.size_bytes : kDefaultTmpfsBytes;
    if (mount.kind == Mount::Kind::bind) {
      struct stat info {};
      if (::stat(mount.source.c_str(), &info) != 0)
        return system_error("-v", fmt::format("the source '{}'", mount.source), errno, "create it first");
      step.source = mount.source;
    }
    view.push_back(std::move(step));
  }
  return {};
}

}  // namespace

Result<void> plan_view(Setup& setup) {
  auto& view = setup.view;
  view.clear();
  view.reserve(96);
  if (setup.spec.rootfs.empty()) {
    add_system_folders(view);
    add_etc(setup, view);
  } else {
    struct stat info {};
    if (::stat(setup.spec.rootfs.c_str(), &info) != 0)
      return system_error("--rootfs", fmt::format("'{}'", setup.spec.rootfs), errno);
    if (!S_ISDIR(info.st_mode)) return Error{"--rootfs", fmt::format("'{}' is not a folder", setup.spec.rootfs), {}};
  }
  add_devices(setup, view);
  add_private_folders(setup, view);
  add_proc(setup, view);
  add_identity(setup, view);
  return add_mounts(setup, view);
}

std::vector<ViewStep> host_grants(const Setup& setup) {
  std::vector<ViewStep> grants;
  for (const char* folder : kSystemFolders) grants.push_back(directory(folder, 0, Grant::read_execute));
  for (const char* entry : kEtcEntries) grants.push_back(directory(fmt::format("/etc/{}", entry), 0, Grant::read));
  for (const char* name : kDevices) grants.push_back(directory(fmt::format("/dev/{}", name), 0, Grant::device));
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
