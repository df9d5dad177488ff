#include "walls/place.h"

#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <utility>

namespace sandstone::walls {

int open_or_make(int root, const char* path, bool is_directory, uint32_t mode) noexcept {
  int found = sys::openat2(root, path, O_PATH, 0, kInRoot);
  if (found != -ENOENT) return found;
  char prefix[PATH_MAX];
  const size_t length = std::strlen(path);
  if (length >= sizeof prefix) return -ENAMETOOLONG;
  int parent = sys::openat2(root, "/", O_PATH | O_DIRECTORY, 0, kInRoot);
  for (size_t begin = 0; begin < length && parent >= 0;) {
    while (begin < length && path[begin] == '/') ++begin;
    size_t end = begin;
    while (end < length && path[end] != '/') ++end;
    if (begin == end) break;
    const bool last = path[end + std::strspn(path + end, "/")] == '\0';
    std::memcpy(prefix, path, end);
    prefix[end] = '\0';
    int next = sys::openat2(root, prefix, O_PATH, 0, kInRoot);
    if (next == -ENOENT) {
      const char* name = prefix + begin;
      int made = 0;
      if (last && !is_directory) {
        made = sys::openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, mode & 0777);
        if (made >= 0) sys::close(made);
      } else {
        made = sys::mkdirat(parent, name, last ? mode & 01777 : 0755);
      }
      // A dangling symlink: there is a name, yet nothing behind it. Following it could only go where it should not.
      if (made < 0)
        next = made == -EEXIST ? -ELOOP : made;
      else
        next = sys::openat2(root, prefix, O_PATH, 0, kInRoot);
    }
    sys::close(parent);
    parent = next;
    begin = end;
  }
  return parent;
}

void Places::forget() noexcept {
  if (kept_ >= 0) sys::close(std::exchange(kept_, -1));
}

Place Places::find(const std::string& path) noexcept {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {-EINVAL};
  const char* const name = path.c_str() + slash + 1;
  if (const std::string_view text = name; text.empty() || text == "." || text == "..") return {-EINVAL};
  const std::string_view folder = std::string_view(path).substr(0, slash);
  if (folder.empty()) return {root_, name};
  if (kept_ < 0 || folder != kept_path_) {
    char text[PATH_MAX];
    if (folder.size() >= sizeof text) return {-ENAMETOOLONG};
    std::memcpy(text, folder.data(), folder.size());
    text[folder.size()] = '\0';
    const int opened = open_or_make(root_, text, true, 0755);
    if (opened < 0) return {opened};
    forget();
    kept_ = opened;
    kept_path_ = folder;
  }
  return {kept_, name};
}

int Places::attach(int mount, const std::string& path, bool directory) noexcept {
  const Place place = find(path);
  if (place.folder >= 0) {
    const int made = directory ? sys::mkdirat(place.folder, place.name, 0755)
                               : sys::mknodat(place.folder, place.name, S_IFREG | 0644);
    if (made == 0) return sys::move_mount(mount, place.folder, place.name);
  }
  const Scoped target(open_or_make(root_, path.c_str(), directory, directory ? 0755U : 0644U));
  if (target.get() < 0) return target.get();
  forget();
  return sys::move_mount(mount, target.get());
}

}  // namespace sandstone::walls
