#include "image/process/folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include "base/directory.h"
#include "base/sys.h"
#include "image/process/tar_reader.h"

namespace sandstone::image {

struct Folder::Scan {
  Tree& tree;
  std::vector<std::pair<std::string, NodeId>> folders;        // yet to be read
  std::map<std::pair<dev_t, ino_t>, NodeId> with_many_names;  // to find hard links
};

std::string Folder::place(const std::string& path) const {
  return path.empty()
             ? label_
             : fmt::format("{}/{}", label_.ends_with('/') ? label_.substr(0, label_.size() - 1) : label_,
                           path);
}

// Below the folder, and by no symbolic link, whoever exchanges one for a folder meanwhile.
Fd Folder::open(const std::string& path, int flags) const {
  const int fd = sys::openat2(folder_, path.empty() ? "." : path.c_str(),
                              static_cast<uint64_t>(flags | O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY), 0,
                              RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
  if (fd < 0) errno = -fd;
  return Fd(fd < 0 ? -1 : fd);
}

Result<void> Folder::scan(Tree& tree) {
  files_.clear();
  Scan scan{tree, {{std::string(), Tree::kRoot}}, {}};
  struct stat status{};
  if (::fstat(folder_, &status) != 0) return system_error(label_, "cannot look at it", errno);
  auto root = describe(folder_, ".", status);
  if (!root) return root.error();
  tree.at(Tree::kRoot) = std::move(*root);
  while (!scan.folders.empty()) {
    const auto [path, id] = std::move(scan.folders.back());
    scan.folders.pop_back();
    if (auto done = scan_folder(scan, path, id); !done) return done;
  }
  return {};
}

Result<void> Folder::scan_folder(Scan& scan, const std::string& path, NodeId id) {
  const Fd folder = open(path, O_DIRECTORY);
  if (!folder.valid())
    return system_error(place(path), "cannot open", errno,
                        "run this as a user who may read it, or leave it out");
  Directory names(folder.get());
  while (const char* name = names.next())
    if (auto done =
            scan_entry(scan, folder.get(), path.empty() ? name : fmt::format("{}/{}", path, name), name, id);
        !done)
      return done;
  return {};
}

Result<void> Folder::scan_entry(Scan& scan, int folder, const std::string& path, const char* name,
                                NodeId parent) {
  struct stat status{};
  if (::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};  // removed since its name was read
    return system_error(place(path), "cannot look at it", errno);
  }
  const auto at_place = [&](Error error) {
    error.where = place(path);
    return error;
  };
  const bool many = status.st_nlink > 1 && !S_ISDIR(status.st_mode);
  if (many) {
    const auto known = scan.with_many_names.find({status.st_dev, status.st_ino});
    if (known != scan.with_many_names.end()) {
      auto linked = scan.tree.add_link(parent, name, known->second);
      return linked ? linked : at_place(linked.error());
    }
  }
  auto node = describe(folder, name, status);
  if (!node) return at_place(node.error());
  if (node->is_file()) {
    node->entry = files_.size();
    files_.push_back({path, status.st_dev, status.st_ino, node->size});
  }
  auto added = scan.tree.add(parent, name, std::move(*node));
  if (!added) return at_place(added.error());
  if (many) scan.with_many_names.emplace(std::pair{status.st_dev, status.st_ino}, *added);
  if (S_ISDIR(status.st_mode)) scan.folders.emplace_back(path, *added);
  return {};
}

Result<Node> Folder::describe(int folder, const char* name, const struct stat& status) const {
  Node node;
  node.mode = status.st_mode;
  node.uid = status.st_uid;
  node.gid = status.st_gid;
  owners_.apply(node);
  node.mtime = status.st_mtim.tv_sec;
  node.nanoseconds = static_cast<uint32_t>(status.st_mtim.tv_nsec);
  if (node.is_file()) node.size = static_cast<uint64_t>(status.st_size);
  if (S_ISCHR(node.mode) || S_ISBLK(node.mode)) {
    node.device_major = major(status.st_rdev);
    node.device_minor = minor(status.st_rdev);
  }
  if (S_ISLNK(node.mode)) {
    std::array<char, 4096> target;
    const ssize_t size = ::readlinkat(folder, name, target.data(), target.size());
    if (size < 0) return system_error({}, "cannot read the symbolic link", errno);
    node.target.assign(target.data(), static_cast<size_t>(size));
  }
  // There is no lgetxattrat(2) before Linux 6.13.
  const std::string path = fmt::format("/proc/self/fd/{}/{}", folder, name);
  std::array<char, kLargestAttribute> list;
  const ssize_t length = ::llistxattr(path.c_str(), list.data(), list.size());
  if (length < 0 && errno != ENOTSUP && errno != ENOENT)
    return system_error({}, "cannot read its extended attributes", errno);
  std::array<char, kLargestAttribute> value;
  for (ssize_t at = 0; at < length;
       at += static_cast<ssize_t>(std::string_view(&list[static_cast<size_t>(at)]).size()) + 1) {
    const char* attribute = &list[static_cast<size_t>(at)];
    if (!keeps_attribute(attribute)) continue;
    const ssize_t size = ::lgetxattr(path.c_str(), attribute, value.data(), value.size());
    if (size < 0 && errno == ENODATA) continue;
    if (size < 0) return system_error({}, fmt::format("cannot read the attribute '{}'", attribute), errno);
    node.xattrs.emplace_back(attribute, std::string(value.data(), static_cast<size_t>(size)));
  }
  return node;
}

Result<void> Folder::copy(ContentSink& sink) {
  for (size_t entry = 0; entry < files_.size(); ++entry) {
    if (files_[entry].size == 0) continue;
    auto wanted = sink.begin(0, entry);
    Result<void> copied = wanted ? Result<void>() : wanted.error();
    if (wanted && !*wanted) continue;
    if (copied) copied = copy_file(files_[entry], sink);
    if (copied) copied = sink.end();
    if (!copied) {
      Error error = copied.error();
      error.where = place(files_[entry].path);
      return error;
    }
  }
  return {};
}

Result<void> Folder::copy_file(const File& file, ContentSink& sink) const {
  const Fd from = open(file.path, 0);
  if (!from.valid())
    return system_error({}, "cannot open", errno, "run this as a user who may read it, or leave it out");
  struct stat status{};
  const Error changed{{}, "was changed while it was read", "keep the folder still and try again"};
  if (::fstat(from.get(), &status) != 0 || status.st_dev != file.device || status.st_ino != file.inode ||
      !S_ISREG(status.st_mode) || static_cast<uint64_t>(status.st_size) < file.size)
    return changed;
  const std::unique_ptr<std::byte[]> buffer = std::make_unique<std::byte[]>(1 << 20);
  for (uint64_t at = 0; at < file.size;) {
    // Over the holes. A file system that knows of none, or not of SEEK_DATA, says that all is data.
    const off_t data = ::lseek(from.get(), static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) return {};
    if (data > 0) at = std::max(at, static_cast<uint64_t>(data));
    if (at >= file.size) return {};
    const auto want = static_cast<size_t>(std::min<uint64_t>(1 << 20, file.size - at));
    const ssize_t got = ::pread(from.get(), buffer.get(), want, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error({}, "cannot read", errno);
    if (got == 0) return changed;
    if (auto put = sink.write(at, {buffer.get(), static_cast<size_t>(got)}); !put) return put;
    at += static_cast<uint64_t>(got);
  }
  return {};
}

}  // namespace sandstone::image
