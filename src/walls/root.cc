// The root wall: a tmpfs, or an overlay over a rootfs, composed step by step (compose.cc), entered by
// pivot_root, the host's root detached.

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/sys.h"
#include "walls/compose.h"
#include "walls/factories.h"
#include "walls/join_network.h"
#include "walls/setup.h"
#include "walls/view.h"

namespace sandstone::walls {
namespace {

constexpr unsigned kDetach = 2;  // MNT_DETACH

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
    root_bytes_ = std::to_string(setup.private_bytes);
    root_inodes_ = std::to_string(setup.private_bytes / kBytesPerInode);
    return plan_view(setup);
  }

  [[nodiscard]] bool raise(Child& child) noexcept override {
    // The modes of what is made are those of the plan.
    const long umask_before = sys::call(SYS_umask, 0);
    const Root root = make_root(child);
    if (root.root < 0) return false;
    Composer composer(child, root.root, root.scratch);
    for (const ViewStep& step : child.setup.view)
      if (!composer.carry_out(step)) return false;
    sys::call(SYS_umask, umask_before);
    // The network helper still looks at the host's root, which is about to go.
    return join_network(child) && enter(child, root.root);
  }

 private:
  struct Root {
    int root = -1;
    int scratch = -1;  // a folder of the private tmpfs that the workload does not see, or the root itself
  };

  // The new root is mounted over "/", where nobody but us can reach or replace it: this mount namespace is
  // our own.
  [[nodiscard]] Root make_root(Child& child) const noexcept {
    const char* options[] = {"size", root_bytes_.c_str(), "nr_inodes", root_inodes_.c_str(), "mode", "0755"};
    const int tmpfs = sys::detached_mount("tmpfs", options, 6, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (tmpfs < 0) return child.fail(tmpfs, "make a tmpfs"), Root{};
    if (child.setup.spec.limits.disk_bytes) child.disk_fd = tmpfs;
    const bool has_rootfs = !child.setup.spec.rootfs.empty();
    const int root = has_rootfs ? overlay(child, tmpfs) : tmpfs;
    if (root < 0) return {};
    if (const int r = sys::move_mount(root, AT_FDCWD, "/"); r < 0)
      return child.fail(r, "mount the new root"), Root{};
    if (!has_rootfs) return {root, root};
    return {root, sys::openat(tmpfs, "own", O_PATH | O_DIRECTORY)};
  }

  // Relative names in the overlay's options: a rootfs whose path holds ':' or ',' then needs no escaping.
  [[nodiscard]] static int overlay(Child& child, int scratch) noexcept {
    const Setup& setup = child.setup;
    const char* rootfs = setup.spec.rootfs.c_str();
    // The layers need a place in the tree. It must not be "/": what is mounted there and not the new root
    // would keep the host's root from being detached with one umount2.
    if (child.rootfs_fd < 0) return child.fail(child.rootfs_fd, "open the rootfs", rootfs), -1;
    if (const int r = sys::move_mount(scratch, child.rootfs_fd); r < 0)
      return child.fail(r, "prepare the overlay"), -1;
    for (const char* name : {"lower", "upper", "work", "save", "own"})
      if (const int r = sys::mkdirat(scratch, name, 0755); r < 0)
        return child.fail(r, "prepare the overlay", name), -1;
    if (!place_lower(child, scratch)) return -1;
    const char* upper = "upper";
    const char* work = "work";
    if (setup.spec.save_directory.empty()) {
      if (const int r = prepare_upper(setup, scratch); r < 0)
        return child.fail(r, "prepare the overlay", "upper"), -1;
    } else {
      if (!place_save(child, scratch)) return -1;
      upper = "save/upper";
      work = "save/work";
    }
    if (const long r = sys::call(SYS_fchdir, scratch); r < 0)
      return child.fail(static_cast<int>(r), "enter the overlay's folder"), -1;
    const char* options[] = {"lowerdir", "lower", "upperdir", upper, "workdir", work, "userxattr", nullptr};
    const int root = sys::detached_mount("overlay", options, 8, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (root < 0) child.fail(root, "overlay the rootfs", rootfs);
    return root;
  }

  // The upper layer's folder is what the new root itself looks like.
  [[nodiscard]] static int prepare_upper(const Setup& setup, int scratch) noexcept {
    // With a range of ids it is the tree's root's, as in the tree.
    if (setup.has_id_range)
      return static_cast<int>(sys::call(SYS_fchownat, scratch, sys::word("upper"), 0, 0, 0));
    // An /etc of the workload's own over the tree's: hosts and resolv.conf have a place even in a tree that
    // the caller may not write.
    return sys::mkdirat(scratch, "upper/etc", 0755);
  }

  [[nodiscard]] static bool place_lower(Child& child, int scratch) noexcept {
    const char* rootfs = child.setup.spec.rootfs.c_str();
    Scoped place(sys::openat(scratch, "lower", O_PATH | O_DIRECTORY));
    int lower = child.setup.rootfs_mount.get();
    if (lower < 0) {
      lower = sys::open_tree(child.rootfs_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
      // The kernel keeps an ordinary user from looking beneath a mount.
      if (lower == -EINVAL)
        return child.fail(-EBUSY, "use a folder with mounts below it as the rootfs", rootfs);
      if (lower < 0) return child.fail(lower, "open the rootfs", rootfs);
      constexpr uint64_t kAttributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
      if (const int r = set_mount_attributes(lower, kAttributes, 0); r < 0)
        return child.fail(r, "make the rootfs read-only", rootfs);
    }
    const int r = sys::move_mount(lower, place.get());
    return r == 0 || child.fail(r, "mount the rootfs", rootfs);
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

  // pivot_root(".", ".") stacks the old root on the new one, from where it is detached: no folder for it is
  // needed, and no chroot is left for a double chroot to leave.
  [[nodiscard]] static bool enter(Child& child, int root) noexcept {
    if (const long r = sys::call(SYS_fchdir, root); r < 0)
      return child.fail(static_cast<int>(r), "enter the new root");
    if (const long r = sys::call(SYS_pivot_root, sys::word("."), sys::word(".")); r < 0)
      return child.fail(static_cast<int>(r), "pivot_root");
    if (const long r = sys::call(SYS_umount2, sys::word("."), kDetach); r < 0)
      return child.fail(static_cast<int>(r), "detach the host's root");
    if (const long r = sys::call(SYS_chdir, sys::word("/")); r < 0)
      return child.fail(static_cast<int>(r), "enter the new root");
    return nothing_above(child, root) && change_directory(child, root);
  }

  // A mount left on top of the new root would be reached through "/..": whatever the mistake that left it, it
  // ends here.
  [[nodiscard]] static bool nothing_above(Child& child, int root) noexcept {
    struct statx ours{};
    struct statx above{};
    long r = sys::call(SYS_statx, root, sys::word(""), AT_EMPTY_PATH, STATX_MNT_ID, sys::word(&ours));
    if (r == 0)
      r = sys::call(SYS_statx, AT_FDCWD, sys::word("/.."), AT_NO_AUTOMOUNT, STATX_MNT_ID, sys::word(&above));
    if (r < 0) return child.fail(static_cast<int>(r), "look at the new root");
    const bool told = (ours.stx_mask & above.stx_mask & STATX_MNT_ID) != 0;
    return (told && ours.stx_mnt_id == above.stx_mnt_id) || child.fail(-EBUSY, "detach the host's root");
  }

  // CVE-2024-21626: the working directory is opened inside the new root, without magic links such as
  // /proc/self/fd/7.
  [[nodiscard]] static bool change_directory(Child& child, int root) noexcept {
    const bool chosen = !child.setup.spec.working_directory.empty();
    const char* path = chosen ? child.setup.spec.working_directory.c_str() : child.setup.home.c_str();
    Scoped directory(sys::openat2(root, path, O_PATH | O_DIRECTORY, 0, kInRoot));
    if (directory.get() < 0)
      return !chosen ||
             child.fail(directory.get(), "open the working directory (-w)", path);  // a rootfs without a home
    const long r = sys::call(SYS_fchdir, directory.get());
    return r == 0 || !chosen || child.fail(static_cast<int>(r), "enter the working directory (-w)", path);
  }

  std::string root_bytes_;
  std::string root_inodes_;
};

}  // namespace

std::unique_ptr<Wall> make_root_wall() {
  return std::make_unique<RootWall>();
}

}  // namespace sandstone::walls
