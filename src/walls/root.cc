// The root wall: a tmpfs (or an overlay over a rootfs) composed step by step, entered by pivot_root, the host's root
// detached. Every mount is made by descriptor: a path is resolved once, inside the new root, without magic links, so
// that no symlink in a hostile rootfs leads a mount or a file of ours elsewhere (CVE-2025-31133, -52565, -52881).

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "base/sys.h"
#include "walls/factories.h"
#include "walls/join_network.h"
#include "walls/place.h"
#include "walls/setup.h"
#include "walls/view.h"

namespace sandstone::walls {
namespace {

using Kind = ViewStep::Kind;

constexpr unsigned kDetach = 2;  // MNT_DETACH

int set_attributes(int mount, uint64_t set, unsigned flags) noexcept {
  mount_attr attributes{};
  attributes.attr_set = set;
  return sys::mount_setattr(mount, "", AT_EMPTY_PATH | flags, attributes);
}

bool is_directory(int fd) noexcept {
  struct stat info {};
  return sys::call(SYS_newfstatat, fd, sys::word(""), sys::word(&info), AT_EMPTY_PATH) == 0 && S_ISDIR(info.st_mode);
}

bool same_folder(int a, int b) noexcept {
  struct stat one {};
  struct stat other {};
  return sys::call(SYS_newfstatat, a, sys::word(""), sys::word(&one), AT_EMPTY_PATH) == 0 &&
         sys::call(SYS_newfstatat, b, sys::word(""), sys::word(&other), AT_EMPTY_PATH) == 0 &&
         one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

bool is_ordinary_file(int fd) noexcept {
  struct stat info {};
  struct statfs filesystem {};
  return sys::call(SYS_fstat, fd, sys::word(&info)) == 0 && S_ISREG(info.st_mode) &&
         sys::call(SYS_fstatfs, fd, sys::word(&filesystem)) == 0 && filesystem.f_type != PROC_SUPER_MAGIC;
}

bool is_null_device(int fd) noexcept {
  struct stat info {};
  return sys::call(SYS_newfstatat, fd, sys::word(""), sys::word(&info), AT_EMPTY_PATH) == 0 &&
         S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3);
}

class Composer {
 public:
  Composer(Child& child, int root) noexcept : child_(child), places_(root), root_(root) {}

  [[nodiscard]] bool carry_out(const ViewStep& step) noexcept {
    int result = 0;
    switch (step.kind) {
      case Kind::directory: result = make_directory(step); break;
      case Kind::file: result = write_file(step); break;
      case Kind::symlink: result = make_symlink(step); break;
      case Kind::bind: result = bind(step); break;
      case Kind::bind_root: result = clone_within(step, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0); break;
      case Kind::read_only: result = clone_within(step, MOUNT_ATTR_RDONLY, AT_RECURSIVE); break;
      case Kind::tmpfs: result = mount_tmpfs(step); break;
      case Kind::proc: result = mount_proc(step); break;
      case Kind::devpts: result = mount_devpts(step); break;
      case Kind::mask: result = mask(step); break;
    }
    if (result >= 0 || step.may_fail) return true;
    return child_.fail(result, name_of(step.kind), step.destination.c_str());
  }

 private:
  static const char* name_of(Kind kind) noexcept {
    constexpr const char* kNames[] = {"make the folder", "write the file", "make the symlink", "bind",
                                      "make writable",   "mount tmpfs at", "mount proc at",    "mount devpts at",
                                      "mask",            "make read-only"};
    return kNames[static_cast<size_t>(kind)];
  }

  [[nodiscard]] int make_directory(const ViewStep& step) noexcept {
    const Place place = places_.find(step.destination);
    if (place.folder >= 0 && sys::mkdirat(place.folder, place.name, step.mode) == 0) return 0;
    Scoped folder(open_or_make(root_, step.destination.c_str(), true, step.mode));
    if (folder.get() < 0) return folder.get();
    // A rootfs had it: its mode is made what it should be. O_PATH cannot fchmod.
    Scoped open(sys::openat2(root_, step.destination.c_str(), O_RDONLY | O_DIRECTORY, 0, kInRoot));
    if (open.get() >= 0 && step.mode != 0755) sys::call(SYS_fchmod, open.get(), step.mode);
    return 0;
  }

  [[nodiscard]] int write_file(const ViewStep& step) noexcept {
    const Place place = places_.find(step.destination);
    int made = place.folder;
    if (made >= 0) made = sys::openat(place.folder, place.name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, step.mode);
    Scoped file(made >= 0 ? made : open_ordinary_file(step));
    if (file.get() < 0) return file.get();
    const long put = sys::write(file.get(), step.content.data(), step.content.size());
    return put == static_cast<long>(step.content.size()) ? 0 : put < 0 ? static_cast<int>(put) : -EIO;
  }

  // For a file that a rootfs has already. Its /etc/hostname may be a symlink to /proc/self/oom_score_adj, uid_map or
  // attr/exec: what we write there would be a setting of our own process (CVE-2025-52881).
  [[nodiscard]] int open_ordinary_file(const ViewStep& step) const noexcept {
    Scoped there(open_or_make(root_, step.destination.c_str(), false, step.mode));
    if (there.get() < 0) return there.get();
    const int file = sys::openat2(root_, step.destination.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY, 0, kInRoot);
    if (file < 0) return file;
    long r = is_ordinary_file(file) ? 0 : -EINVAL;
    if (r == 0) r = sys::call(SYS_ftruncate, file, 0);
    if (r == 0) return file;
    sys::close(file);
    return static_cast<int>(r);
  }

  [[nodiscard]] int make_symlink(const ViewStep& step) noexcept {
    const Place place = places_.find(step.destination);
    if (place.folder < 0) return place.folder;
    return static_cast<int>(
        sys::call(SYS_symlinkat, sys::word(step.content.c_str()), place.folder, sys::word(place.name)));
  }

  // The source is a detached mount already: see MountWall.
  [[nodiscard]] int bind(const ViewStep& step) noexcept {
    if (step.source_fd < 0) return step.source_fd;
    // MS_BIND|MS_RDONLY in one mount(2) call is not read-only, and never reaches the submounts: this does both.
    uint64_t attributes = MOUNT_ATTR_NOSUID;
    attributes |= step.devices ? MOUNT_ATTR_NOEXEC : MOUNT_ATTR_NODEV;
    if (!step.writable) attributes |= MOUNT_ATTR_RDONLY;
    if (const int r = set_attributes(step.source_fd, attributes, AT_RECURSIVE); r < 0) return r;
    return places_.attach(step.source_fd, step.destination, is_directory(step.source_fd));
  }

  // A mount of its own for something that is there: a name that is a symlink is left alone.
  [[nodiscard]] int clone_within(const ViewStep& step, uint64_t attributes, unsigned flags) noexcept {
    const Place place = places_.find(step.destination);
    if (place.folder < 0) return place.folder;
    Scoped mount(sys::open_tree(place.folder, place.name, AT_SYMLINK_NOFOLLOW | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags));
    if (mount.get() == -ENOENT) return 0;
    if (mount.get() < 0) return mount.get();
    if (const int r = set_attributes(mount.get(), attributes, flags); r < 0) return r;
    places_.forget_below(step.destination);
    return sys::move_mount(mount.get(), place.folder, place.name);
  }

  [[nodiscard]] int mount_tmpfs(const ViewStep& step) noexcept {
    char size[24];
    char mode[8];
    const char* options[] = {"size", decimal(step.bytes, size), "mode", octal(step.mode, mode)};
    uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    Scoped mount(sys::detached_mount("tmpfs", options, 4, static_cast<unsigned>(attributes)));
    return mount.get() < 0 ? mount.get() : places_.attach(mount.get(), step.destination, true);
  }

  [[nodiscard]] int mount_proc(const ViewStep& step) noexcept {
    Scoped mount(sys::detached_mount("proc", nullptr, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
    return mount.get() < 0 ? mount.get() : places_.attach(mount.get(), step.destination, true);
  }

  [[nodiscard]] int mount_devpts(const ViewStep& step) noexcept {
    // Without a limit of its own one sandbox takes every terminal that kernel.pty.max leaves to all sandboxes.
    const char* options[] = {"newinstance", nullptr, "ptmxmode", "0666", "mode", "0620", "max", "256"};
    Scoped mount(sys::detached_mount("devpts", options, 8, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
    if (mount.get() < 0) return mount.get();
    if (const int r = places_.attach(mount.get(), step.destination, true); r < 0 || !child_.setup.terminal_inside) return r;
    return open_terminal();
  }

  // The workload's terminal is of its own devpts, opened on the mount itself: never through a path that a rootfs could
  // have bent (CVE-2025-52565), and never the caller's.
  [[nodiscard]] int open_terminal() noexcept {
    child_.terminal_fd = sys::openat2(root_, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0, kInRoot);
    if (child_.terminal_fd < 0) return child_.terminal_fd;
    int unlock = 0;
    constexpr long kUnlock = 0x40045431;  // TIOCSPTLCK
    constexpr long kGetPeer = 0x5441;     // TIOCGPTPEER
    if (const long r = sys::call(SYS_ioctl, child_.terminal_fd, kUnlock, sys::word(&unlock)); r < 0) return static_cast<int>(r);
    child_.terminal_slave_fd =
        static_cast<int>(sys::call(SYS_ioctl, child_.terminal_fd, kGetPeer, O_RDWR | O_NOCTTY | O_CLOEXEC));
    return child_.terminal_slave_fd < 0 ? child_.terminal_slave_fd : 0;
  }

  // The source of emptiness is the host's, opened before anything hostile was in sight and checked to be what it says.
  [[nodiscard]] int mask(const ViewStep& step) noexcept {
    const Place place = places_.find(step.destination);
    if (place.folder < 0) return place.folder;
    struct stat info {};
    const long r = sys::call(SYS_newfstatat, place.folder, sys::word(place.name), sys::word(&info), AT_SYMLINK_NOFOLLOW);
    if (r < 0) return r == -ENOENT ? 0 : static_cast<int>(r);
    if (S_ISDIR(info.st_mode)) {
      const char* options[] = {"size", "0", "nr_inodes", "1", "mode", "0555"};
      Scoped empty(sys::detached_mount("tmpfs", options, 6, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
      return empty.get() < 0 ? empty.get() : sys::move_mount(empty.get(), place.folder, place.name);
    }
    const int null = null_mask_ >= 0 ? clone_of(null_mask_) : first_null_mask(step.source_fd);
    if (null < 0) return null;
    null_mask_ = null;
    return sys::move_mount(null, place.folder, place.name);
  }

  [[nodiscard]] static int clone_of(int mount) noexcept {
    return sys::open_tree(mount, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  }

  [[nodiscard]] static int first_null_mask(int source) noexcept {
    if (source < 0) return source;
    if (!is_null_device(source)) return -ENODEV;
    const int r = set_attributes(source, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0);
    return r < 0 ? r : source;
  }

  static const char* decimal(uint64_t value, char (&text)[24]) noexcept {
    char* at = text + sizeof text;
    *--at = '\0';
    do *--at = static_cast<char>('0' + value % 10);
    while ((value /= 10) != 0);
    return at;
  }
  static const char* octal(uint32_t value, char (&text)[8]) noexcept {
    char* at = text + sizeof text;
    *--at = '\0';
    do *--at = static_cast<char>('0' + value % 8);
    while ((value /= 8) != 0);
    return at;
  }

  Child& child_;
  Places places_;
  int root_;
  int null_mask_ = -1;
};

class RootWall final : public Wall {
 public:
  [[nodiscard]] const char* name() const override { return "root"; }

  [[nodiscard]] Support support() const override {
    // An invalid descriptor tells ENOSYS from EBADF without touching any mount.
    if (sys::call(SYS_mount_setattr, -1, sys::word(""), AT_EMPTY_PATH, 0, MOUNT_ATTR_SIZE_VER0) == -ENOSYS)
      return {false, {}, "this kernel lacks mount_setattr(2)", "Linux 5.12 or later"};
    return {};
  }

  Result<void> build(Setup& setup) override {
    if (!setup.has("mount")) return Error{"wall root", "needs the wall mount", "add it to --walls"};
    root_bytes_ = std::to_string(setup.spec.limits.disk_bytes.value_or(kDefaultTmpfsBytes));
    directory_ = setup.spec.working_directory.empty() ? setup.home : setup.spec.working_directory;
    return plan_view(setup);
  }

  [[nodiscard]] bool raise(Child& child) noexcept override {
    const int root = make_root(child);
    if (root < 0) return false;
    const long mask = sys::call(SYS_umask, 0);  // what is made gets its mode at once
    Composer composer(child, root);
    for (const ViewStep& step : child.setup.view)
      if (!composer.carry_out(step)) return false;
    sys::call(SYS_umask, mask);
    if (child.setup.spec.read_only_root) {
      if (const int r = set_attributes(root, MOUNT_ATTR_RDONLY, 0); r < 0) return child.fail(r, "make read-only", "/");
    }
    // The network helper still looks at the host's root, which is about to go.
    return join_network(child) && enter(child, root);
  }

 private:
  // The new root is mounted over "/", where nobody but us can reach or replace it: this mount namespace is our own.
  [[nodiscard]] int make_root(Child& child) const noexcept {
    const char* options[] = {"size", root_bytes_.c_str(), "mode", "0755"};
    const int root = sys::detached_mount("tmpfs", options, 4, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (root < 0) return child.fail(root, "make a tmpfs"), -1;
    if (const int r = sys::move_mount(root, AT_FDCWD, "/"); r < 0) return child.fail(r, "mount the new root"), -1;
    if (child.setup.spec.rootfs.empty()) return root;
    return overlay(child, root);
  }

  // Relative names in the overlay's options: a rootfs whose path holds ':' or ',' then needs no escaping.
  [[nodiscard]] static int overlay(Child& child, int scratch) noexcept {
    const Setup& setup = child.setup;
    for (const char* name : {"lower", "upper", "work", "save"})
      if (const int r = sys::mkdirat(scratch, name, 0755); r < 0) return child.fail(r, "prepare the overlay", name), -1;
    Scoped lower_place(sys::openat(scratch, "lower", O_PATH | O_DIRECTORY));
    if (const int r = place_lower(child, lower_place.get()); r < 0) return child.fail(r, "open the rootfs", setup.spec.rootfs.c_str()), -1;
    const char* upper = "upper";
    const char* work = "work";
    if (!setup.spec.save_directory.empty()) {
      if (!place_save(child, scratch)) return -1;
      upper = "save/upper";
      work = "save/work";
    }
    if (const long r = sys::call(SYS_fchdir, scratch); r < 0) return child.fail(static_cast<int>(r), "enter the overlay's folder"), -1;
    const char* options[] = {"lowerdir", "lower", "upperdir", upper, "workdir", work, "userxattr", nullptr};
    const int root = sys::detached_mount("overlay", options, 8, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (root < 0) return child.fail(root, "overlay the rootfs", setup.spec.rootfs.c_str()), -1;
    // The overlay holds its layers itself. The scratch mount has to go before the pivot: left between the host's root
    // and the new one it would be all that umount2(".") detaches, and "/.." would be the host's root.
    if (const long r = sys::call(SYS_umount2, sys::word("."), kDetach); r < 0)
      return child.fail(static_cast<int>(r), "detach the overlay's folder"), -1;
    if (const int r = sys::move_mount(root, AT_FDCWD, "/"); r < 0) return child.fail(r, "mount the new root"), -1;
    return root;
  }

  [[nodiscard]] static int place_lower(Child& child, int place) noexcept {
    int lower = child.setup.rootfs_mount.get();
    if (lower < 0) {
      if (child.rootfs_fd < 0) return child.rootfs_fd;
      lower = sys::open_tree(child.rootfs_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
      if (lower < 0) return lower;
      if (const int r = set_attributes(lower, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0); r < 0) return r;
    }
    return sys::move_mount(lower, place);
  }

  [[nodiscard]] static bool place_save(Child& child, int scratch) noexcept {
    const char* path = child.setup.spec.save_directory.c_str();
    Scoped place(sys::openat(scratch, "save", O_PATH | O_DIRECTORY));
    if (child.save_fd < 0) return child.fail(child.save_fd, "open the folder of --save", path);
    Scoped mount(sys::open_tree(child.save_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    if (mount.get() < 0) return child.fail(mount.get(), "open the folder of --save", path);
    const int r = sys::move_mount(mount.get(), place.get());
    return r == 0 || child.fail(r, "mount the folder of --save", path);
  }

  // pivot_root(".", ".") stacks the old root on the new one, from where it is detached: no folder for it is needed, and
  // no chroot is left for a double chroot to leave.
  [[nodiscard]] bool enter(Child& child, int root) const noexcept {
    if (const long r = sys::call(SYS_fchdir, root); r < 0) return child.fail(static_cast<int>(r), "enter the new root");
    if (const long r = sys::call(SYS_pivot_root, sys::word("."), sys::word(".")); r < 0)
      return child.fail(static_cast<int>(r), "pivot_root");
    if (const long r = sys::call(SYS_umount2, sys::word("."), kDetach); r < 0)
      return child.fail(static_cast<int>(r), "detach the host's root");
    if (const long r = sys::call(SYS_chdir, sys::word("/")); r < 0) return child.fail(static_cast<int>(r), "enter the new root");
    // Whatever is still mounted over the new root is where ".." leads from it, past every RESOLVE_IN_ROOT.
    Scoped above(sys::openat(AT_FDCWD, "/..", O_PATH | O_DIRECTORY));
    if (!same_folder(above.get(), root)) return child.fail(-EBUSY, "detach all of the host's root");
    return change_directory(child, root);
  }

  // CVE-2024-21626: the working directory is opened inside the new root, without magic links such as /proc/self/fd/7.
  [[nodiscard]] bool change_directory(Child& child, int root) const noexcept {
    Scoped directory(open_or_make(root, directory_.c_str(), true, 0755));
    if (directory.get() < 0) return child.fail(directory.get(), "open the working directory", directory_.c_str());
    const long r = sys::call(SYS_fchdir, directory.get());
    return r == 0 || child.fail(static_cast<int>(r), "enter the working directory", directory_.c_str());
  }

  std::string root_bytes_;
  std::string directory_;
};

}  // namespace

std::unique_ptr<Wall> make_root_wall() { return std::make_unique<RootWall>(); }

}  // namespace sandstone::walls
