#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "probe/program/attempt.h"
#include "probe/program/canary.h"
#include "probe/program/secret.h"

namespace sandstone::probe_program {
namespace {

namespace fs = std::filesystem;

void plant(const std::string& path, const std::string& content, mode_t mode = 0600) {
  ::unlink(path.c_str());
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!file.valid()) return;
  write_whole(file.get(), content);
  ::fchmod(file.get(), mode);  // whatever the umask
}

std::string content_of(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  return file.valid() ? read_up_to(file.get()) : std::string();
}

bool exists(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

void tell_fingerprint(const std::string& key, const std::string& path) {
  const std::string content = content_of(path);
  if (!content.empty()) tell(key, std::to_string(fingerprint(content)));
}

void tell_handle(const std::string& path) {
  alignas(file_handle) char storage[sizeof(file_handle) + MAX_HANDLE_SZ] = {};
  auto* handle = reinterpret_cast<file_handle*>(storage);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  if (::name_to_handle_at(AT_FDCWD, path.c_str(), handle, &mount_id, 0) != 0) return;
  std::string hex;
  for (size_t i = sizeof(file_handle); i < sizeof(file_handle) + handle->handle_bytes; ++i) {
    hex += "0123456789abcdef"[static_cast<unsigned char>(storage[i]) >> 4];
    hex += "0123456789abcdef"[storage[i] & 15];
  }
  tell("handle", hex);
  tell("handle-type", std::to_string(handle->handle_type));
}

void tell_disk() {
  struct stat root{};
  if (::stat("/", &root) != 0 || major(root.st_dev) == 0) return;
  tell("disk-number", std::to_string(root.st_dev));
  std::error_code error;
  const auto device = fs::read_symlink(
      "/sys/dev/block/" + std::to_string(major(root.st_dev)) + ":" + std::to_string(minor(root.st_dev)),
      error);
  if (error) return;
  if (exists("/dev/" + device.filename().string())) tell("disk", "/dev/" + device.filename().string());
  for (const auto& name :
       {device.filename(), device.parent_path().filename()})  // a partition's disk is the folder above it
    if (exists("/sys/block/" + name.string())) return tell("disk-name", name.string());
}

void tell_control_groups() {
  std::ifstream mounts("/proc/mounts");
  std::string source, target, type, options, rest;
  bool told_procs = false;
  std::string hierarchy;
  while (mounts >> source >> target >> type >> options && std::getline(mounts, rest)) {
    if (type != "cgroup" && type != "cgroup2") continue;
    if (!told_procs && exists(target + "/cgroup.procs")) {
      tell("cgroup-procs", target + "/cgroup.procs");
      told_procs = true;
    }
    // The hierarchies that exist: mounting one again changes nothing on the host.
    for (const char* controller : {"memory", "cpu", "pids", "freezer", "devices", "blkio"})
      if (type == "cgroup" && hierarchy.empty() &&
          ("," + options + ",").find("," + std::string(controller) + ",") != std::string::npos)
        hierarchy = controller;
  }
  if (hierarchy.empty() && exists("/proc/cgroups")) hierarchy = "none,name=sandstone-probe";
  if (!hierarchy.empty()) tell("cgroup-v1", hierarchy);
}

void tell_interface() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next)
    if ((entry->ifa_flags & IFF_LOOPBACK) == 0) {
      tell("interface", entry->ifa_name);
      break;
    }
  ::freeifaddrs(list);
}

// A copy of this program that carries privileges.
void plant_program(const std::string& path, mode_t mode) {
  std::error_code error;
  fs::copy_file("/proc/self/exe", path, fs::copy_options::overwrite_existing, error);
  ::chmod(path.c_str(), mode);
}

bool plant_capabilities(const std::string& path) {
  vfs_cap_data data{};
  data.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE;
  data.data[0].permitted = 1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH;
  return ::setxattr(path.c_str(), "security.capability", &data, XATTR_CAPS_SZ_2, 0) == 0;
}

bool mount_writable(const std::string& path) {
  return ::mount("sandstone-probe", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=0777") == 0;
}

}  // namespace

CanaryFiles::CanaryFiles(const CanaryPlace& place)
    : place_(place),
      home_(place.base + "/home"),
      shared_(place.base + "/shared"),
      tmp_("/tmp/sandstone-probe-" + place.nonce),
      shm_("sandstone-probe-" + place.nonce) {
  ::umask(022);
  ::mkdir(home_.c_str(), 0700);
  ::mkdir((home_ + "/.ssh").c_str(), 0700);
  ::mkdir(shared_.c_str(), 0755);
  ::mkdir((place_.base + "/run").c_str(), 0755);
  ::mkdir(tmp_.c_str(), 0700);
  // In the shared folder the program has the same path inside and outside.
  plant_program(shared_ + "/probe", 0755);
  tell("program", shared_ + "/probe");
  tell("home", home_);
  tell("shared", shared_);
  tell("tmp", tmp_);
  tell("shm-file", shm_);
  tell("nonce", place_.nonce);
  tell("secret", std::to_string(fingerprint(place_.secret)));

  if (::geteuid() == 0) {
    plant(shared_ + "/root-only", place_.secret);
    plant_program(shared_ + "/setuid", 04755);
    plant_program(shared_ + "/capable", 0755);
    tell("root-only", "yes");
    if (plant_capabilities(shared_ + "/capable")) tell("file-capabilities", "yes");
  }
  if (place_.sheltered) {
    ::mkdir((shared_ + "/nested").c_str(), 0755);
    if (mount_writable(shared_ + "/nested")) tell("nested", "yes");
    for (const char* folder : {"/usr/games", "/usr/src", "/usr/local/games", "/usr/local/src"})
      if (usr_nested_.empty() && exists(folder) && mount_writable(folder)) usr_nested_ = folder;
    if (!usr_nested_.empty()) tell("usr-nested", usr_nested_);
  }
  reset();
  if (::setxattr((home_ + "/xattr").c_str(), "user.sandstone", "good", 4, 0) == 0) tell("xattr", "yes");
  plant(home_ + "/by-handle", place_.secret);  // once: its inode must stay
  tell_handle(home_ + "/by-handle");
  describe_host();
  // The folder that /proc/PID/cwd leads to.
  if (::chdir(home_.c_str()) != 0) tell("note", "cannot stand in the home");
}

void CanaryFiles::describe_host() {
  tell_fingerprint("passwd", "/etc/passwd");
  tell_fingerprint("shadow", "/etc/shadow");
  tell_fingerprint("machine-id", "/etc/machine-id");
  tell_disk();
  tell_control_groups();
  tell_interface();
  timespec booted{};
  ::clock_gettime(CLOCK_BOOTTIME, &booted);
  tell("boot-time", std::to_string(std::time(nullptr) - booted.tv_sec));
}

CanaryFiles::~CanaryFiles() {
  if (::chdir("/") != 0) return;
  ::umount2((shared_ + "/nested").c_str(), MNT_DETACH);
  if (!usr_nested_.empty()) ::umount2(usr_nested_.c_str(), MNT_DETACH);
  std::error_code error;
  fs::remove_all(place_.base, error);
  fs::remove_all(tmp_, error);
  ::unlink(("/dev/shm/" + shm_).c_str());
}

void CanaryFiles::reset() {
  plant(home_ + "/secret", place_.secret);
  plant(home_ + "/.ssh/id_ed25519", place_.secret);
  plant(tmp_ + "/secret", place_.secret);
  plant("/dev/shm/" + shm_, place_.secret);
  for (const char* name : {"overwrite", "truncate", "unlink", "rename", "chmod", "xattr"})
    plant(home_ + "/" + name, "good");
  ::unlink((home_ + "/renamed").c_str());
  Seen leftovers;
  inspect(leftovers);  // removes what an earlier run created
}

void CanaryFiles::inspect(Seen& seen) {
  const std::string mark = "/sandstone-probe-" + place_.nonce + "-";
  const std::pair<std::string, const char*> created[] = {{"", "write-root"},
                                                         {"/usr", "write-usr"},
                                                         {"/etc", "write-etc"},
                                                         {home_, "write-home"},
                                                         {tmp_, "write-host-tmp"},
                                                         {shared_, "write-read-only-bind"},
                                                         {"/usr", "remount-usr"},
                                                         {"/usr", "setattr-usr"},
                                                         {shared_, "remount-read-only-bind"},
                                                         {shared_ + "/nested", "write-nested-mount"},
                                                         {usr_nested_, "write-usr-nested"}};
  for (const auto& [folder, operation] : created)
    if (::unlink((folder + mark + operation).c_str()) == 0) seen.insert(operation);

  if (content_of(home_ + "/overwrite") != "good") seen.insert("overwrite-file");
  if (content_of(home_ + "/truncate") != "good") seen.insert("truncate-file");
  if (!exists(home_ + "/unlink")) seen.insert("unlink-file");
  if (!exists(home_ + "/rename")) seen.insert("rename-file");
  struct stat status{};
  if (::stat((home_ + "/chmod").c_str(), &status) == 0 && (status.st_mode & 07777) != 0600)
    seen.insert("chmod-file");
  char value[8] = {};
  if (::getxattr((home_ + "/xattr").c_str(), "user.sandstone", value, sizeof value) > 0 &&
      std::strcmp(value, "evil") == 0)
    seen.insert("xattr-file");
}

}  // namespace sandstone::probe_program
