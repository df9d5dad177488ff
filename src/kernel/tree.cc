#include "kernel/tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/fd.h"

namespace sandstone::kernel {
namespace {

Error refused(const std::string& what, int64_t error) {
  return system_error("library kernel", what, static_cast<int>(-error));
}

Result<void> mount_at(Task& init, const char* source, const std::string& target, const char* type,
                      uint64_t flags, const char* data = nullptr) {
  init.call(SYS_mkdir, target, 0755);
  const int64_t done = init.call(SYS_mount, source, target, type, flags, data);
  if (done < 0) return refused(fmt::format("cannot mount {} at {}", type, target), done);
  return {};
}

// The few nodes of a container's /dev that are links.
void link_devices(Task& init) {
  constexpr const char* kLinks[][2] = {{"/proc/self/fd", "/dev/fd"},
                                       {"/proc/self/fd/0", "/dev/stdin"},
                                       {"/proc/self/fd/1", "/dev/stdout"},
                                       {"/proc/self/fd/2", "/dev/stderr"},
                                       {"pts/ptmx", "/dev/ptmx"}};
  init.call(SYS_unlink, "/dev/ptmx");
  for (const auto& link : kLinks) init.call(SYS_symlink, link[0], link[1]);
}

// The library kernel has one CPU, its programs run on the host's: what they count must be those.
void tell_processors(Task& init) {
  cpu_set_t set;
  const int count = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  const std::string list = count > 1 ? fmt::format("0-{}\n", count - 1) : "0\n";
  const int64_t fd = init.call(SYS_open, "/dev/shm/processors", O_CREAT | O_WRONLY | O_CLOEXEC, 0444);
  if (fd < 0) return;
  init.call(SYS_write, fd, list, list.size());
  for (const char* place : {"/sys/devices/system/cpu/online", "/sys/devices/system/cpu/possible",
                            "/sys/devices/system/cpu/present"})
    init.call(SYS_mount, "/dev/shm/processors", place, nullptr, MS_BIND, nullptr);
  init.call(SYS_unlink, "/dev/shm/processors");
  init.call(SYS_close, fd);
}

void raise_loopback(Task& init) {
  const int64_t fd = init.call(SYS_socket, AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) return;
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  init.call(SYS_ioctl, fd, SIOCSIFFLAGS, &request);
  init.call(SYS_close, fd);
}

// A layer of memory over /lower, at /root.
Result<void> mount_layer(Task& init) {
  Result<void> done = mount_at(init, "memory", "/upper", "tmpfs", 0, "mode=755");
  if (!done) return done;
  for (const char* folder : {"/upper/changed", "/upper/work", "/root"}) init.call(SYS_mkdir, folder, 0755);
  // What is the host's own there must not even be looked at.
  for (const char* own : {"/upper/changed/proc", "/upper/changed/sys", "/upper/changed/dev"}) {
    init.call(SYS_mkdir, own, 0755);
    init.call(SYS_setxattr, own, "trusted.overlay.opaque", "y", 1, 0);
  }
  // xino: one st_dev for all that is there, else `du -x` and `find -xdev` leave out every file. The numbers
  // of both layers leave the high bits free that it takes.
  return mount_at(init, "root", "/root", "overlay", 0,
                  "lowerdir=/lower,upperdir=/upper/changed,workdir=/upper/work,xino=on");
}

// The layer over a disk that cannot be written to is for what is mounted on it, and then read-only too.
Result<void> mount_disk(Task& init, Options::Disk kind) {
  if (auto done = mount_at(init, "dev", "/dev", "devtmpfs", 0); !done) return done;
  const bool read_only = kind == Options::Disk::read_only;
  const char* place = read_only ? "/lower" : "/root";
  init.call(SYS_mkdir, place, 0755);
  // "noload": a journal that was not played back, as after a crash, cannot be now.
  const int64_t mounted = init.call(SYS_mount, "/dev/vda", place, "ext4", read_only ? MS_RDONLY : 0,
                                    read_only ? "noload" : nullptr);
  if (mounted == -EINVAL)
    return Error{"--disk-image", "holds no ext4 file system", "sandstone image build makes one"};
  if (mounted < 0) return system_error("--disk-image", "cannot mount it", static_cast<int>(-mounted));
  return read_only ? mount_layer(init) : Result<void>();
}

std::string contents_of(const char* path) {
  std::string text;
  char part[4096];
  const Fd file(::open(path, O_RDONLY | O_CLOEXEC));
  for (ssize_t got = 0; file.valid() && (got = ::read(file.get(), part, sizeof part)) > 0;)
    text.append(part, static_cast<size_t>(got));
  return text;
}

// What the jail's view says of names and networks, over what an image says, and not in it.
void lay_identity(Task& init) {
  constexpr const char* kPlace = "/dev/shm";
  if (!mount_at(init, "identity", kPlace, "tmpfs", 0, "mode=755")) return;
  for (const char* name : {"hostname", "hosts", "resolv.conf"}) {
    const std::string path = fmt::format("/etc/{}", name);
    const std::string text = contents_of(path.c_str());
    if (text.empty()) continue;
    const std::string own = fmt::format("{}/{}", kPlace, name);
    const int64_t fd = init.call(SYS_open, own, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    init.call(SYS_write, fd, text.data(), text.size());
    init.call(SYS_close, fd);
    init.call(SYS_mkdir, "/etc", 0755);
    if (const int64_t made = init.call(SYS_open, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644); made >= 0)
      init.call(SYS_close, made);
    init.call(SYS_mount, own, path, nullptr, MS_BIND, nullptr);
  }
  init.call(SYS_umount2, kPlace, MNT_DETACH);  // the files stay where they are bound
}

// An image need not have the folders that something is mounted at.
void make_folders(Task& init, const std::string& path) {
  for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    init.call(SYS_mkdir, path.substr(0, at), 0755);
}

Result<void> mount_view(Task& init) {
  auto done = mount_at(init, "root", "/lower", "virtiofs", MS_RDONLY);
  return done ? mount_layer(init) : done;
}

}  // namespace

Result<void> make_root(Task& init, const Options& options) {
  if (auto done = options.disk_fd >= 0 ? mount_disk(init, options.disk) : mount_view(init); !done)
    return done;
  init.call(SYS_chdir, "/root");
  if (const int64_t moved = init.call(SYS_mount, ".", "/", nullptr, MS_MOVE); moved < 0)
    return refused("cannot change the root", moved);
  init.call(SYS_chroot, ".");
  init.call(SYS_chdir, "/");
  return {};
}

Result<void> fill_root(Task& init, const Options& options) {
  const bool has_disk = options.disk_fd >= 0;
  // All of the view is root's in here, also the home that the jail has made for the user.
  if (options.uid != 0) init.call(SYS_chown, "/home/sandbox", options.uid, options.gid);

  // What the jail's view leaves out of a root folder, and scripts expect.
  if (!has_disk)
    for (const char* folder : {"/mnt", "/media", "/opt", "/root", "/run", "/srv", "/var"})
      init.call(SYS_mkdir, folder, 0755);
  auto done = mount_at(init, "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC);
  if (done) done = mount_at(init, "sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC);
  if (done) done = mount_at(init, "dev", "/dev", "devtmpfs", MS_NOSUID, "mode=755");
  if (done)
    done = mount_at(init, "devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
                    "newinstance,ptmxmode=0666,mode=620");
  if (done && has_disk) lay_identity(init);
  if (done) done = mount_at(init, "shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
  if (!done) return done;
  // The jail made it for the user that it knows.
  if (const char* home = ::getenv("HOME");
      options.uid != 0 && home != nullptr && std::string_view(home).starts_with("/home/"))
    init.call(SYS_chown, home, options.uid, options.gid);
  link_devices(init);
  tell_processors(init);
  for (const auto& [path, bytes] : options.tmpfs) {
    const std::string data = bytes == 0 ? "mode=1777" : fmt::format("mode=1777,size={}", bytes);
    make_folders(init, path);
    if (done = mount_at(init, "tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, data.c_str()); !done) return done;
  }
  for (size_t i = 0; i < options.volumes.size(); ++i) {
    const auto& volume = options.volumes[i];
    if (volume.is_file) {
      if (const int64_t bound = init.call(SYS_mount, volume.path, volume.path, nullptr, MS_BIND, nullptr);
          bound < 0)
        return refused("cannot show " + volume.path, bound);
      init.call(SYS_mount, nullptr, volume.path, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr);
      continue;
    }
    make_folders(init, volume.path);
    done = mount_at(init, fmt::format("volume{}", i).c_str(), volume.path, "virtiofs",
                    MS_NODEV | (volume.read_only ? MS_RDONLY : 0));
    if (!done) return done;
  }
  const bool read_only = options.read_only || (has_disk && options.disk == Options::Disk::read_only);
  if (read_only && init.call(SYS_mount, nullptr, "/", nullptr, MS_REMOUNT | MS_RDONLY | MS_BIND, nullptr) < 0)
    return Error{"--read-only", "cannot make the root read-only", {}};
  init.call(SYS_sethostname, options.hostname, options.hostname.size());
  raise_loopback(init);
  return {};
}

}  // namespace sandstone::kernel
