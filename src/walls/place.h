// Places: names inside the new root, each resolved inside it and without magic links, so that no symlink in a hostile
// rootfs leads a mount or a file of ours elsewhere. Used between clone and exec.
#pragma once

#include <linux/openat2.h>

#include <cstdint>
#include <string>

#include "base/sys.h"

namespace sandstone::walls {

constexpr uint64_t kInRoot = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;

// A descriptor for as long as a scope lasts, without Fd's use of errno.
class Scoped {
 public:
  explicit Scoped(int fd) noexcept : fd_(fd) {}
  Scoped(const Scoped&) = delete;
  Scoped& operator=(const Scoped&) = delete;
  ~Scoped() {
    if (fd_ >= 0) sys::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

// Opens `path` below `root`, making what is missing: folders on the way, and at the end a folder or an empty file.
// Returns an O_PATH descriptor or -errno.
int open_or_make(int root, const char* path, bool is_directory, uint32_t mode) noexcept;

// A folder of the new root and a name in it. `name` has no slash and is neither "." nor "..".
struct Place {
  int folder = -1;  // or -errno
  const char* name = "";
};

// Most places are new, and their folder is the one of the place before. A name that was made just now by mkdirat and its
// like is no symlink, so what follows may use it as it is; where it fails because the name is taken, open_or_make() looks
// closer.
class Places {
 public:
  explicit Places(int root) noexcept : root_(root) {}
  Places(const Places&) = delete;
  Places& operator=(const Places&) = delete;
  ~Places() { forget(); }

  [[nodiscard]] int root() const noexcept { return root_; }

  // Where `path` belongs; folders on the way are made. `path` must outlive this.
  [[nodiscard]] Place find(const std::string& path) noexcept;

  // Puts a detached mount at `path`, which is made if it is missing. 0 or -errno.
  [[nodiscard]] int attach(int mount, const std::string& path, bool directory) noexcept;

  // To be called when something that was there already is mounted over: the folder kept may lie below it.
  void forget() noexcept;
  void forget_below(std::string_view path) noexcept {
    if (kept_path_.starts_with(path)) forget();
  }

 private:
  int root_;
  std::string_view kept_path_;
  int kept_ = -1;
};

}  // namespace sandstone::walls
