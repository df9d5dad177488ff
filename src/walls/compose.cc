#include "walls/compose.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

namespace sandstone::walls {
namespace {

using Kind = ViewStep::Kind;

bool status_of(int fd, struct stat& info) noexcept {
  return sys::call(SYS_newfstatat, fd, sys::word(""), sys::word(&info), AT_EMPTY_PATH) == 0;
}

bool is_directory(int fd) noexcept {
  struct stat info{};
  return status_of(fd, info) && S_ISDIR(info.st_mode);
}

bool is_regular_file(int fd) noexcept {
  struct stat info{};
  return status_of(fd, info) && S_ISREG(info.st_mode);
}

bool is_null_device(int fd) noexcept {
  struct stat info{};
  return status_of(fd, info) && S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3);
}

const char* decimal(uint64_t value, char (&text)[24]) noexcept {
  char* at = text + sizeof text;
  *--at = '\0';
  do *--at = static_cast<char>('0' + value % 10);
  while ((value /= 10) != 0);
  return at;
}

const char* octal(uint32_t value, char (&text)[12]) noexcept {
  char* at = text + sizeof text;
  *--at = '\0';
  do *--at = static_cast<char>('0' + value % 8);
  while ((value /= 8) != 0);
  return at;
}

const char* what_failed(Kind kind) noexcept {
  switch (kind) {
    case Kind::directory:
    case Kind::private_folder:
    case Kind::own_folder:
      return "make the folder";
    case Kind::file:
    case Kind::own_file:
      return "make the file";
    case Kind::symlink:
      return "make the symlink";
    case Kind::bind:
      return "bind";
    case Kind::tmpfs:
      return "mount tmpfs at";
    case Kind::proc:
      return "mount proc at";
    case Kind::devpts:
      return "mount devpts at";
    case Kind::mask:
      return "mask";
    case Kind::read_only:
    case Kind::seal:
      return "make read-only";
  }
  return "";
}

// "-v: cannot bind", so that a person sees which of their options it was.
bool fail(Child& child, int error, const ViewStep& step) noexcept {
  char text[48];
  size_t at = 0;
  const auto add = [&](const char* part) {
    for (; *part != '\0' && at + 1 < sizeof text; ++part) text[at++] = *part;
  };
  add(what_failed(step.kind));
  if (*step.origin != '\0') {
    add(" (");
    add(step.origin);
    add(")");
  }
  text[at] = '\0';
  return child.fail(error, text, step.destination.c_str());
}

int write_new(int folder, const char* name, const ViewStep& step) noexcept {
  const Scoped file(sys::openat(folder, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, step.mode));
  if (file.get() < 0) return file.get();
  const long put = sys::write(file.get(), step.content.data(), step.content.size());
  return put == static_cast<long>(step.content.size()) ? 0 : put < 0 ? static_cast<int>(put) : -EIO;
}

int first_null_mask(int source) noexcept {
  if (source < 0) return source;
  if (!is_null_device(source)) return -ENODEV;
  const int r = set_mount_attributes(source, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0);
  return r < 0 ? r : source;
}

// `empty`: an empty folder as a detached mount, or -1 if there is none to be had.
int first_folder_mask(int empty) noexcept {
  constexpr unsigned kAttributes =
      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  if (empty < 0) {
    const char* options[] = {"size", "0", "nr_inodes", "1", "mode", "0555"};
    return sys::detached_mount("tmpfs", options, 6, kAttributes);
  }
  const int r = set_mount_attributes(empty, kAttributes, 0);
  return r < 0 ? r : empty;
}

}  // namespace

int set_mount_attributes(int mount, uint64_t set, unsigned flags) noexcept {
  mount_attr attributes{};
  attributes.attr_set = set;
  return sys::mount_setattr(mount, "", AT_EMPTY_PATH | flags, attributes);
}

bool Composer::carry_out(const ViewStep& step) noexcept {
  int result = 0;
  switch (step.kind) {
    case Kind::directory:
      result = make_directory(step);
      break;
    case Kind::file:
      result = write_file(step);
      break;
    case Kind::symlink:
      result = make_symlink(step);
      break;
    case Kind::bind:
      result = bind(step);
      break;
    case Kind::own_folder:
      result = own_folder(step);
      break;
    case Kind::own_file:
      result = own_file(step);
      break;
    case Kind::private_folder:
      result = private_folder(step);
      break;
    case Kind::tmpfs:
      result = mount_tmpfs(step);
      break;
    case Kind::proc:
      result = mount_proc(step);
      break;
    case Kind::devpts:
      result = mount_devpts(step);
      break;
    case Kind::mask:
      result = mask(step);
      break;
    case Kind::read_only:
      result = make_read_only(step);
      break;
    case Kind::seal:
      result = seal(step);
      break;
  }
  return result >= 0 || step.may_fail || fail(child_, result, step);
}

int Composer::attach_own(const char* name, int target) noexcept {
  const Scoped mount(
      sys::open_tree(scratch_, name, AT_SYMLINK_NOFOLLOW | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (mount.get() < 0) return mount.get();
  places_.forget();
  return sys::move_mount(mount.get(), target);
}

// A mount of its own for something that is there: a name that is a symlink is left alone.
int Composer::clone_over(const ViewStep& step, uint64_t attributes, unsigned flags) noexcept {
  const Place place = places_.find(step.destination);
  if (place.folder < 0) return place.folder;
  const Scoped mount(sys::open_tree(place.folder, place.name,
                                    AT_SYMLINK_NOFOLLOW | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags));
  if (mount.get() < 0) return mount.get();
  if (const int r = set_mount_attributes(mount.get(), attributes, flags); r < 0) return r;
  places_.forget_below(step.destination);
  return sys::move_mount(mount.get(), place.folder, place.name);
}

int Composer::make_directory(const ViewStep& step) noexcept {
  const Place place = places_.find(step.destination);
  if (place.folder >= 0 && sys::mkdirat(place.folder, place.name, step.mode) == 0) return 0;
  const Scoped folder(open_or_make(root_, step.destination.c_str(), true, step.mode));
  if (folder.get() < 0) return folder.get();
  return is_directory(folder.get()) ? 0 : -ENOTDIR;
}

int Composer::write_file(const ViewStep& step) noexcept {
  const Place place = places_.find(step.destination);
  if (place.folder < 0) return place.folder;
  return write_new(place.folder, place.name, step);
}

int Composer::make_symlink(const ViewStep& step) noexcept {
  const Place place = places_.find(step.destination);
  if (place.folder < 0) return place.folder;
  return static_cast<int>(
      sys::call(SYS_symlinkat, sys::word(step.content.c_str()), place.folder, sys::word(place.name)));
}

// The source is a detached mount already: see MountWall.
int Composer::bind(const ViewStep& step) noexcept {
  if (step.source_fd < 0) return step.source_fd;
  // MS_BIND|MS_RDONLY in one mount(2) call is not read-only, and never reaches the submounts: this does both.
  uint64_t attributes = MOUNT_ATTR_NOSUID;
  attributes |= step.devices ? MOUNT_ATTR_NOEXEC : MOUNT_ATTR_NODEV;
  if (!step.writable) attributes |= MOUNT_ATTR_RDONLY;
  if (const int r = set_mount_attributes(step.source_fd, attributes, AT_RECURSIVE); r < 0) return r;
  return places_.attach(step.source_fd, step.destination, !step.devices && is_directory(step.source_fd));
}

int Composer::own_folder(const ViewStep& step) noexcept {
  const Scoped target(open_or_make(root_, step.destination.c_str(), true, step.mode));
  if (target.get() < 0) return target.get();
  char number[24];
  const char* name = decimal(static_cast<uint64_t>(owned_++), number);
  const int made = sys::mkdirat(scratch_, name, step.mode);
  return made < 0 ? made : attach_own(name, target.get());
}

// For a file of ours to be mounted over: a regular one, made if there is none. A symlink that dangles, a fifo
// or a device gives way.
int Composer::open_or_replace_file(const ViewStep& step) noexcept {
  const char* path = step.destination.c_str();
  for (int attempt = 0; attempt < 2; ++attempt) {
    const int found = open_or_make(root_, path, false, step.mode);
    if (found >= 0 && is_regular_file(found)) return found;
    if (found >= 0) sys::close(found);
    if (found < 0 && found != -ELOOP) return found;
    const Place place = places_.find(step.destination);
    if (place.folder < 0) return place.folder;
    const long removed = sys::call(SYS_unlinkat, place.folder, sys::word(place.name), 0);
    if (removed < 0) return static_cast<int>(removed);
  }
  return -ELOOP;
}

int Composer::own_file(const ViewStep& step) noexcept {
  char number[24];
  const char* name = decimal(static_cast<uint64_t>(owned_++), number);
  if (const int r = write_new(scratch_, name, step); r < 0) return r;
  const Scoped target(open_or_replace_file(step));
  return target.get() < 0 ? target.get() : attach_own(name, target.get());
}

// By the bits that the workload will be judged by once its capabilities are gone.
bool Composer::workload_may_write(int folder) const noexcept {
  struct stat info{};
  if (!status_of(folder, info) || !S_ISDIR(info.st_mode)) return false;
  const User& user = child_.setup.inside;
  if (info.st_uid == user.uid) return (info.st_mode & 0700) == 0700;
  if (info.st_gid == user.gid) return (info.st_mode & 0070) == 0070;
  return (info.st_mode & 0007) == 0007;
}

int Composer::private_folder(const ViewStep& step) noexcept {
  const Place place = places_.find(step.destination);
  if (place.folder < 0) return place.folder;
  if (sys::mkdirat(place.folder, place.name, step.mode) != 0) {
    const Scoped folder(open_or_make(root_, step.destination.c_str(), true, step.mode));
    if (folder.get() < 0) return folder.get();
    if (!workload_may_write(folder.get())) return own_folder(step);
  }
  return step.own_mount ? clone_over(step, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0) : 0;
}

int Composer::mount_tmpfs(const ViewStep& step) noexcept {
  char size[24];
  char inodes[24];
  char mode[12];
  const char* options[] = {"size",      decimal(step.bytes, size),
                           "nr_inodes", decimal(step.bytes / kBytesPerInode + 1, inodes),
                           "mode",      octal(step.mode, mode)};
  const Scoped mount(sys::detached_mount("tmpfs", options, 6, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  return mount.get() < 0 ? mount.get() : places_.attach(mount.get(), step.destination, true);
}

int Composer::mount_proc(const ViewStep& step) noexcept {
  constexpr unsigned kAttributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  const Scoped mount(sys::detached_mount("proc", nullptr, 0, kAttributes));
  if (mount.get() < 0) return mount.get();
  if (child_.setup.keeps_slot) {
    child_.processes_fd = static_cast<int>(sys::call(SYS_fcntl, mount.get(), F_DUPFD_CLOEXEC, 0));
    if (child_.processes_fd < 0) return child_.processes_fd;
  }
  const Place place = places_.find(step.destination);
  if (place.folder < 0 || sys::mkdirat(place.folder, place.name, 0555) != 0)
    return places_.attach(mount.get(), step.destination, true);
  // The folder made for it stays empty for ever, since proc lies over it: that masks folders.
  empty_folder_ = sys::open_tree(place.folder, place.name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  return sys::move_mount(mount.get(), place.folder, place.name);
}

int Composer::mount_devpts(const ViewStep& step) noexcept {
  // Without a limit of its own one sandbox takes every terminal that kernel.pty.max leaves to all sandboxes.
  const char* options[] = {"newinstance", nullptr, "ptmxmode", "0666", "mode", "0620", "max", "256"};
  const Scoped mount(sys::detached_mount("devpts", options, 8, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  if (mount.get() < 0) return mount.get();
  if (const int r = places_.attach(mount.get(), step.destination, true); r < 0) return r;
  return child_.setup.terminal_inside ? open_terminal(mount.get()) : 0;
}

// The workload's terminal is of its own devpts, opened on the mount itself: never through a path that a
// rootfs could have bent (CVE-2025-52565), and never the caller's.
int Composer::open_terminal(int devpts) noexcept {
  child_.terminal_fd =
      sys::openat2(devpts, "ptmx", O_RDWR | O_NOCTTY, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
  if (child_.terminal_fd < 0) return child_.terminal_fd;
  int unlock = 0;
  constexpr long kUnlock = 0x40045431;  // TIOCSPTLCK
  constexpr long kGetPeer = 0x5441;     // TIOCGPTPEER
  const long unlocked = sys::call(SYS_ioctl, child_.terminal_fd, kUnlock, sys::word(&unlock));
  if (unlocked < 0) return static_cast<int>(unlocked);
  child_.terminal_slave_fd =
      static_cast<int>(sys::call(SYS_ioctl, child_.terminal_fd, kGetPeer, O_RDWR | O_NOCTTY | O_CLOEXEC));
  return child_.terminal_slave_fd < 0 ? child_.terminal_slave_fd : 0;
}

// The source of emptiness is the host's, opened before anything hostile was in sight and checked to be what
// it says.
int Composer::mask(const ViewStep& step) noexcept {
  const Place place = places_.find(step.destination);
  if (place.folder < 0) return place.folder;
  struct stat info{};
  const long r =
      sys::call(SYS_newfstatat, place.folder, sys::word(place.name), sys::word(&info), AT_SYMLINK_NOFOLLOW);
  if (r < 0) return r == -ENOENT ? 0 : static_cast<int>(r);
  int& mask = S_ISDIR(info.st_mode) ? folder_mask_ : null_mask_;
  const int made = mask >= 0 ? sys::open_tree(mask, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
                   : S_ISDIR(info.st_mode) ? first_folder_mask(empty_folder_)
                                           : first_null_mask(step.source_fd);
  if (made < 0) return made;
  mask = made;
  return sys::move_mount(made, place.folder, place.name);
}

int Composer::make_read_only(const ViewStep& step) noexcept {
  const int result = clone_over(step, MOUNT_ATTR_RDONLY, AT_RECURSIVE);
  return result == -ENOENT ? 0 : result;
}

int Composer::seal(const ViewStep& step) noexcept {
  const Scoped target(sys::openat2(root_, step.destination.c_str(), O_PATH, 0, kInRoot));
  return target.get() < 0 ? target.get() : set_mount_attributes(target.get(), MOUNT_ATTR_RDONLY, 0);
}

}  // namespace sandstone::walls
