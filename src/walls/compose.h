// Composer: carries out the steps of a view (view.h) below a new root, in the child.
//
// Every mount is made by descriptor: a path is resolved once, inside the new root, without magic links, so
// that no symlink in a hostile rootfs leads a mount or a file of ours elsewhere (CVE-2025-31133, -52565,
// -52881).
#pragma once

#include "walls/place.h"
#include "walls/setup.h"

namespace sandstone::walls {

// mount_setattr(2) on the mount that `mount` refers to; with AT_RECURSIVE, on all below it as well.
int set_mount_attributes(int mount, uint64_t set, unsigned flags) noexcept;

class Composer {
 public:
  // `root`: the new root's mount. `scratch`: the folder of the private tmpfs that own folders are made in.
  Composer(Child& child, int root, int scratch) noexcept
      : child_(child), places_(root), root_(root), scratch_(scratch) {}

  // False: child.failure says why.
  [[nodiscard]] bool carry_out(const ViewStep& step) noexcept;

 private:
  [[nodiscard]] int make_directory(const ViewStep& step) noexcept;
  [[nodiscard]] int write_file(const ViewStep& step) noexcept;
  [[nodiscard]] int make_symlink(const ViewStep& step) noexcept;
  [[nodiscard]] int bind(const ViewStep& step) noexcept;
  [[nodiscard]] int own_folder(const ViewStep& step) noexcept;
  [[nodiscard]] int own_file(const ViewStep& step) noexcept;
  [[nodiscard]] int private_folder(const ViewStep& step) noexcept;
  [[nodiscard]] int mount_tmpfs(const ViewStep& step) noexcept;
  [[nodiscard]] int mount_proc(const ViewStep& step) noexcept;
  [[nodiscard]] int mount_devpts(const ViewStep& step) noexcept;
  [[nodiscard]] int mask(const ViewStep& step) noexcept;
  [[nodiscard]] int make_read_only(const ViewStep& step) noexcept;
  [[nodiscard]] int seal(const ViewStep& step) noexcept;
  [[nodiscard]] int open_terminal(int devpts) noexcept;

  [[nodiscard]] int open_or_replace_file(const ViewStep& step) noexcept;
  [[nodiscard]] int attach_own(const char* name, int target) noexcept;
  [[nodiscard]] int clone_over(const ViewStep& step, uint64_t attributes, unsigned flags) noexcept;
  [[nodiscard]] bool workload_may_write(int folder) const noexcept;

  Child& child_;
  Places places_;
  int root_;
  int scratch_;
  int owned_ = 0;          // own folders and files made so far
  int empty_folder_ = -1;  // a detached mount of one
  int null_mask_ = -1;     // mounts to copy: of the null device,
  int folder_mask_ = -1;   // and of an empty folder
};

}  // namespace sandstone::walls
