// Trees of files: what is in one, and copies of it from one System to another, holes, links, owners and all.
#pragma once

#include <dirent.h>

#include <algorithm>
#include <map>
#include <ostream>

#include "system.h"

namespace sandstone {

struct TreeEntry {
  uint32_t mode = 0, uid = 0, gid = 0;
  uint64_t size = 0, links = 0;  // of files
  int64_t modified = 0;          // ns
  uint64_t device = 0;           // of nodes
  uint64_t hash = 0;
  std::string target;   // of symbolic links
  std::string same_as;  // of hard links: the first name, by order
  std::map<std::string, std::string> attributes;
  bool operator==(const TreeEntry&) const = default;
};
using Tree = std::map<std::string, TreeEntry>;  // by path from the root of it, which is ""

inline std::ostream& operator<<(std::ostream& out, const TreeEntry& entry) {
  out << std::oct << entry.mode << std::dec << " " << entry.uid << ":" << entry.gid << " size " << entry.size
      << " links " << entry.links << " modified " << entry.modified << " device " << entry.device << " hash "
      << std::hex << entry.hash << std::dec << " -> '" << entry.target << "' = '" << entry.same_as << "'";
  for (const auto& [name, value] : entry.attributes) out << " " << name << "(" << value.size() << ")";
  return out;
}

inline uint64_t hash_more(uint64_t hash, const char* data, size_t size) {
  for (; size >= 8; data += 8, size -= 8) {
    uint64_t word = 0;
    std::memcpy(&word, data, 8);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
    hash ^= hash >> 29;
  }
  for (; size > 0; ++data, --size) hash = (hash ^ static_cast<unsigned char>(*data)) * 0x100000001b3U;
  return hash;
}

// The names in a folder, but for . and .., in order.
inline std::vector<std::string> names_in(const System& system, const std::string& folder) {
  std::vector<std::string> names;
  const int64_t fd = system(SYS_openat, AT_FDCWD, folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  EXPECT_GE(fd, 0) << folder << ": " << std::strerror(static_cast<int>(-fd));
  if (fd < 0) return names;
  alignas(8) std::array<char, 8192> entries{};
  int64_t got = 0;
  while ((got = system(SYS_getdents64, fd, entries.data(), entries.size())) > 0) {
    for (int64_t at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const dirent64*>(entries.data() + at);
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
      at += entry->d_reclen;
    }
  }
  EXPECT_EQ(got, 0) << folder;
  system(SYS_close, fd);
  std::sort(names.begin(), names.end());
  return names;
}

// user.* attributes: a program's own ones.
inline std::map<std::string, std::string> attributes_of(const System& system, const std::string& path) {
  std::map<std::string, std::string> found;
  std::string names(65536, '\0');
  const int64_t length = system(SYS_llistxattr, path.c_str(), names.data(), names.size());
  for (int64_t at = 0; at < length;) {
    const std::string name = names.c_str() + at;
    at += static_cast<int64_t>(name.size()) + 1;
    if (!name.starts_with("user.")) continue;
    std::string value(65536, '\0');
    const int64_t size = system(SYS_lgetxattr, path.c_str(), name.c_str(), value.data(), value.size());
    EXPECT_GE(size, 0) << path << " " << name;
    value.resize(static_cast<size_t>(std::max<int64_t>(size, 0)));
    found[name] = value;
  }
  return found;
}

inline std::string target_of(const System& system, const std::string& path) {
  std::string target(4096, '\0');
  const int64_t length = system(SYS_readlink, path.c_str(), target.data(), target.size());
  EXPECT_GE(length, 0) << path;
  target.resize(static_cast<size_t>(std::max<int64_t>(length, 0)));
  return target;
}

inline uint64_t hash_of(const System& system, const std::string& path, uint64_t size) {
  const int64_t fd = system(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_GE(fd, 0) << path << ": " << std::strerror(static_cast<int>(-fd));
  if (fd < 0) return 0;
  std::vector<char> part(256 << 10);
  uint64_t hash = 1;
  uint64_t total = 0;
  for (;;) {
    // Whole parts, so that the hash does not hang on how the reads were cut.
    size_t filled = 0;
    int64_t got = 0;
    while (filled < part.size() &&
           (got = system(SYS_read, fd, part.data() + filled, part.size() - filled)) > 0)
      filled += static_cast<size_t>(got);
    EXPECT_GE(got, 0) << path << ": " << std::strerror(static_cast<int>(-got));
    if (filled == 0) break;
    hash = hash_more(hash, part.data(), filled);
    total += filled;
    if (got <= 0) break;
  }
  EXPECT_EQ(total, size) << path;
  system(SYS_close, fd);
  return hash;
}

namespace detail {

inline void read_tree(const System& system, const std::string& root, const std::string& path,
                      std::map<uint64_t, std::string>& inodes, Tree& tree) {
  const std::string whole = root + path;
  struct stat info{};
  const int64_t result = system(SYS_newfstatat, AT_FDCWD, whole.c_str(), &info, AT_SYMLINK_NOFOLLOW);
  EXPECT_EQ(result, 0) << whole;
  if (result != 0) return;
  TreeEntry& entry = tree[path];
  entry.mode = info.st_mode;
  entry.uid = info.st_uid;
  entry.gid = info.st_gid;
  entry.modified = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec;
  if (!S_ISDIR(info.st_mode)) {
    entry.size = static_cast<uint64_t>(info.st_size);
    entry.links = info.st_nlink;
    const auto [first, fresh] = inodes.emplace(info.st_ino, path);
    if (!fresh) {
      entry.same_as = first->second;
      entry.hash = tree[entry.same_as].hash;
      entry.attributes = tree[entry.same_as].attributes;
      entry.target = tree[entry.same_as].target;
      return;
    }
  }
  if (S_ISLNK(info.st_mode)) entry.target = target_of(system, whole);
  if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)) entry.device = info.st_rdev;
  if (S_ISREG(info.st_mode)) entry.hash = hash_of(system, whole, entry.size);
  if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) entry.attributes = attributes_of(system, whole);
  if (!S_ISDIR(info.st_mode)) return;
  for (const std::string& name : names_in(system, whole))
    if (!(path.empty() && name == "lost+found")) read_tree(system, root, path + "/" + name, inodes, tree);
}

}  // namespace detail

inline Tree read_tree(const System& system, const std::string& root) {
  Tree tree;
  std::map<uint64_t, std::string> inodes;
  detail::read_tree(system, root, "", inodes, tree);
  return tree;
}

// What a file system or a user cannot keep is not compared.
struct Compare {
  bool nanoseconds = true;
  bool owners = true;
  bool root = true;  // the root folder's own properties
};

inline void expect_same(Tree a, Tree b, const Compare& how = {}) {
  for (Tree* tree : {&a, &b}) {
    if (!how.root) tree->erase("");
    for (auto& [path, entry] : *tree) {
      if (!how.nanoseconds) entry.modified = entry.modified / 1'000'000'000 * 1'000'000'000;
      if (!how.owners) entry.uid = entry.gid = 0;
    }
  }
  int shown = 0;
  for (const auto& [path, entry] : a) {
    const auto other = b.find(path);
    if (other == b.end()) {
      ADD_FAILURE() << path << " is missing";
    } else if (!(other->second == entry)) {
      ADD_FAILURE() << path << ":\n  " << entry << "\n  " << other->second;
    } else {
      continue;
    }
    if (++shown == 10) return;
  }
  for (const auto& [path, entry] : b)
    if (!a.contains(path)) ADD_FAILURE() << path << " is too much";
}

struct CopyLimits {
  size_t files = SIZE_MAX;
  uint64_t bytes = UINT64_MAX;
};

namespace detail {

class Copy {
 public:
  Copy(const System& from, const System& to, CopyLimits& limits) : from_(from), to_(to), limits_(limits) {}

  void entry(const std::string& source, const std::string& target) {
    struct stat info{};
    ASSERT_EQ(from_(SYS_newfstatat, AT_FDCWD, source.c_str(), &info, AT_SYMLINK_NOFOLLOW), 0) << source;
    if (!S_ISDIR(info.st_mode)) {
      const auto size = S_ISREG(info.st_mode) ? static_cast<uint64_t>(info.st_blocks) * 512 : 0;
      if (limits_.files == 0 || limits_.bytes < size) return;
      // A slice is of what the user may read.
      if (limits_.files < SIZE_MAX / 2 && !S_ISLNK(info.st_mode) &&
          from_(SYS_access, source.c_str(), R_OK) != 0)
        return;
      --limits_.files;
      limits_.bytes -= size;
      if (info.st_nlink > 1) {
        const auto [first, fresh] = links_.emplace(info.st_ino, target);
        if (!fresh) {
          must(to_(SYS_link, first->second.c_str(), target.c_str()), target);
          return;
        }
      }
    }
    if (S_ISDIR(info.st_mode)) {
      const int64_t made = to_(SYS_mkdir, target.c_str(), 0700);
      if (made != -EEXIST) must(made, target);
      for (const std::string& name : names_in(from_, source))
        if (name != "lost+found") entry(source + "/" + name, target + "/" + name);
    } else if (S_ISLNK(info.st_mode)) {
      must(to_(SYS_symlink, target_of(from_, source).c_str(), target.c_str()), target);
    } else if (S_ISREG(info.st_mode)) {
      content(source, target, info.st_size);
    } else {
      must(to_(SYS_mknod, target.c_str(), info.st_mode, info.st_rdev), target);
    }
    properties(source, target, info);
  }

 private:
  static void must(int64_t result, const std::string& path) {
    EXPECT_GE(result, 0) << path << ": " << std::strerror(static_cast<int>(-result));
  }

  void content(const std::string& source, const std::string& target, int64_t size) {
    const int64_t in = from_(SYS_openat, AT_FDCWD, source.c_str(), O_RDONLY | O_CLOEXEC);
    const int64_t out =
        to_(SYS_openat, AT_FDCWD, target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(in, source);
    must(out, target);
    if (in < 0 || out < 0) return;
    std::vector<char> part(128 << 10);
    for (int64_t at = 0;;) {
      const int64_t data = from_(SYS_lseek, in, at, SEEK_DATA);
      if (data == -ENXIO) break;
      must(data, source);
      const int64_t hole = from_(SYS_lseek, in, data, SEEK_HOLE);
      must(hole, source);
      if (data < 0 || hole < 0) break;
      for (at = data; at < hole;) {
        const int64_t got =
            from_(SYS_pread64, in, part.data(), std::min<int64_t>(hole - at, part.size()), at);
        must(got, source);
        if (got <= 0) break;
        EXPECT_EQ(to_(SYS_pwrite64, out, part.data(), got, at), got) << target;
        at += got;
      }
    }
    must(to_(SYS_ftruncate, out, size), target);
    from_(SYS_close, in);
    to_(SYS_close, out);
  }

  void properties(const std::string& source, const std::string& target, const struct stat& info) {
    // An ordinary user gives nothing away.
    const int64_t given = to_(SYS_lchown, target.c_str(), info.st_uid, info.st_gid);
    if (given != -EPERM) must(given, target);
    if (!S_ISLNK(info.st_mode)) must(to_(SYS_chmod, target.c_str(), info.st_mode & 07777), target);
    if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode))
      for (const auto& [name, value] : attributes_of(from_, source))
        must(to_(SYS_lsetxattr, target.c_str(), name.c_str(), value.data(), value.size(), 0),
             target + " " + name);
    const timespec times[2] = {info.st_atim, info.st_mtim};
    must(to_(SYS_utimensat, AT_FDCWD, target.c_str(), times, AT_SYMLINK_NOFOLLOW), target);
  }

  System from_, to_;
  CopyLimits& limits_;
  std::map<uint64_t, std::string> links_;
};

}  // namespace detail

// Copies the tree at `source` to `target`, which may be there if it is an empty folder.
inline void copy_tree(const System& from, const std::string& source, const System& to,
                      const std::string& target, CopyLimits* limits = nullptr) {
  CopyLimits none;
  detail::Copy(from, to, limits != nullptr ? *limits : none).entry(source, target);
}

inline void write_host_file(const std::string& path, const std::string& text, mode_t mode = 0644) {
  const int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, mode);
  ASSERT_GE(fd, 0) << path;
  EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ::close(fd);
}

// A tree on the host with some of everything: a slice of this Debian, and what a Debian seldom has.
inline void make_tree(const std::string& root, size_t files = 2000) {
  const System host;
  ASSERT_EQ(::mkdir(root.c_str(), 0755), 0);
  CopyLimits limits{files, 24 << 20};
  for (const char* folder :
       {"/usr/share/zoneinfo", "/usr/share/perl", "/usr/lib/python3", "/usr/lib/python3.11", "/usr/bin",
        "/usr/share/doc", "/usr/lib/x86_64-linux-gnu"}) {
    if (::access(folder, R_OK) != 0) continue;
    std::string name = folder;
    std::replace(name.begin(), name.end(), '/', '_');
    copy_tree(host, std::filesystem::canonical(folder), host, root + "/" + name, &limits);
  }
  const std::string odd = root + "/odd";
  ASSERT_EQ(::mkdir(odd.c_str(), 01777), 0);
  write_host_file(odd + "/empty", "");
  write_host_file(odd + "/one", "1");
  write_host_file(odd + "/" + std::string(255, 'n'), "a long name");
  write_host_file(odd + "/\xff\x01 '\"\n\xc3\xa4", "an odd name");
  ASSERT_EQ(::symlink("nowhere", (odd + "/dangling").c_str()), 0);
  ASSERT_EQ(::symlink(std::string(59, 's').c_str(), (odd + "/fast").c_str()), 0);
  ASSERT_EQ(::symlink(std::string(60, 's').c_str(), (odd + "/slow").c_str()), 0);
  ASSERT_EQ(::symlink(std::string(4000, 'l').c_str(), (odd + "/longest").c_str()), 0);
  for (int i = 0; i < 40; ++i)
    ASSERT_EQ(::link((odd + "/one").c_str(), (odd + "/link" + std::to_string(i)).c_str()), 0);
  for (const mode_t mode : {0U, 07777U, 04755U, 02755U, 01644U, 0111U}) {
    if (::geteuid() != 0 && (mode & 0400) == 0) continue;  // who could compare it?
    const std::string path = odd + "/mode" + std::to_string(mode);
    write_host_file(path, "mode");
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
  }
  if (::geteuid() == 0) {
    for (const uid_t owner : {1U, 65534U, 65536U, 0x7fffffffU}) {
      const std::string path = odd + "/owner" + std::to_string(owner);
      write_host_file(path, "owner");
      ASSERT_EQ(::chown(path.c_str(), owner, owner + 1), 0);
    }
  }
  ASSERT_EQ(::mkfifo((odd + "/fifo").c_str(), 0620), 0);
  write_host_file(odd + "/attributes", "attributes");
  host(SYS_setxattr, (odd + "/attributes").c_str(), "user.small", "value", 5, 0);
  host(SYS_setxattr, (odd + "/attributes").c_str(), "user.empty", "", 0, 0);
  host(SYS_setxattr, (odd + "/attributes").c_str(), "user.large", std::string(1500, 'v').c_str(), 1500, 0);
  host(SYS_setxattr, odd.c_str(), "user.folder", "folder", 6, 0);
  // Sparse: a byte here and there, and a hole at the end.
  const int sparse = ::open((odd + "/sparse").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  for (const off_t at : {off_t{0}, off_t{1} << 20, (off_t{5} << 20) + 17, off_t{30} << 20})
    ASSERT_EQ(::pwrite(sparse, "x", 1, at), 1);
  ASSERT_EQ(::ftruncate(sparse, off_t{32} << 20), 0);
  ::close(sparse);
  std::string deep = root + "/deep";
  ASSERT_EQ(::mkdir(deep.c_str(), 0755), 0);
  for (int i = 0; i < 60; ++i) {
    deep += "/d" + std::to_string(i);
    ASSERT_EQ(::mkdir(deep.c_str(), 0711), 0);
  }
  write_host_file(deep + "/bottom", "bottom");
  const std::string wide = root + "/wide";  // enough for a tree of hashes in a folder
  ASSERT_EQ(::mkdir(wide.c_str(), 0755), 0);
  for (int i = 0; i < 400; ++i)
    write_host_file(wide + "/a name that is rather long, of the file " + std::to_string(i), "w");
  const timespec times[2] = {{0, 0}, {1'000'000'000, 123'456'789}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (odd + "/one").c_str(), times, 0), 0);
}

}  // namespace sandstone
