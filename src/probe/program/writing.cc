// Changing the host's files. Whether a file really changed is for the canary to say: inside, a write to a
// private tmpfs looks just the same.
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include <cerrno>
#include <cstdio>

#include "probe/program/attempt.h"

namespace sandstone::probe_program {
namespace {

constexpr char kArea[] = "writing outside";

// The canary looks for exactly this name, and removes it.
std::string mark(const Parameters& p, const std::string& folder, const std::string& operation) {
  return folder + "/sandstone-probe-" + p.text("nonce") + "-" + operation;
}

Verdict create_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.valid()) return refused("create " + path);
  if (!write_whole(file.get(), "evil")) return refused("write " + path);
  return claimed("created " + path);
}

Verdict write_root(const Parameters& p) {
  return create_file(mark(p, "", "write-root"));
}
Verdict write_usr(const Parameters& p) {
  return create_file(mark(p, "/usr", "write-usr"));
}
Verdict write_etc(const Parameters& p) {
  return create_file(mark(p, "/etc", "write-etc"));
}
Verdict write_home(const Parameters& p) {
  return create_file(mark(p, p.text("home"), "write-home"));
}
Verdict write_host_tmp(const Parameters& p) {
  return create_file(mark(p, p.text("tmp"), "write-host-tmp"));
}
Verdict write_read_only_bind(const Parameters& p) {
  return create_file(mark(p, p.text("shared"), "write-read-only-bind"));
}

Verdict write_nested_mount(const Parameters& p) {
  // A recursive bind brings submounts along, and making the top read-only leaves them as they were.
  if (!p.has("nested"))
    return not_applicable("only a root caller can mount something below the shared folder");
  return create_file(mark(p, p.text("shared") + "/nested", "write-nested-mount"));
}

Verdict write_usr_nested(const Parameters& p) {
  if (!p.has("usr-nested")) return not_applicable("only a root caller can mount something below /usr");
  return create_file(mark(p, p.text("usr-nested"), "write-usr-nested"));
}

Verdict overwrite_file(const Parameters& p) {
  const Descriptor file(::open((p.text("home") + "/overwrite").c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return refused("open for writing");
  if (!write_whole(file.get(), "evil")) return refused("write");
  return claimed("overwrote a file of the caller's");
}

Verdict truncate_file(const Parameters& p) {
  if (::truncate((p.text("home") + "/truncate").c_str(), 0) != 0) return refused("truncate");
  return claimed("emptied a file of the caller's");
}

Verdict unlink_file(const Parameters& p) {
  if (::unlink((p.text("home") + "/unlink").c_str()) != 0) return refused("unlink");
  return claimed("removed a file of the caller's");
}

Verdict rename_file(const Parameters& p) {
  if (::rename((p.text("home") + "/rename").c_str(), (p.text("home") + "/renamed").c_str()) != 0)
    return refused("rename");
  return claimed("renamed a file of the caller's");
}

Verdict chmod_file(const Parameters& p) {
  if (::chmod((p.text("home") + "/chmod").c_str(), 0777) != 0) return refused("chmod");
  return claimed("opened a file of the caller's to everybody");
}

Verdict xattr_file(const Parameters& p) {
  if (!p.has("xattr")) return not_applicable("the file system has no extended attributes");
  if (::setxattr((p.text("home") + "/xattr").c_str(), "user.sandstone", "evil", 4, 0) != 0)
    return refused("setxattr");
  return claimed("set an attribute on a file of the caller's");
}

// The two ways to make a read-only mount writable again, in a mount namespace of the attempt's own: the
// mount's flag is changed there alone, but the file system behind it is the host's.
Verdict remount_usr(const Parameters& p) {
  if (!own_mount_namespace()) return refused("unshare(CLONE_NEWNS)");
  // In a view of the host's root itself, /usr is no mount of its own.
  ::mount("/usr", "/usr", nullptr, MS_BIND, nullptr);
  if (::mount("none", "/usr", nullptr, MS_REMOUNT | MS_BIND, nullptr) != 0)
    return refused("remount /usr writable");
  return create_file(mark(p, "/usr", "remount-usr"));
}

Verdict setattr_usr(const Parameters& p) {
  if (!own_mount_namespace()) return refused("unshare(CLONE_NEWNS)");
  ::mount("/usr", "/usr", nullptr, MS_BIND, nullptr);
  mount_attr attributes{};
  attributes.attr_clr = MOUNT_ATTR_RDONLY;
  if (::syscall(SYS_mount_setattr, AT_FDCWD, "/usr", AT_RECURSIVE, &attributes, sizeof attributes) != 0)
    return refused("mount_setattr /usr writable");
  return create_file(mark(p, "/usr", "setattr-usr"));
}

Verdict remount_read_only_bind(const Parameters& p) {
  if (!own_mount_namespace()) return refused("unshare(CLONE_NEWNS)");
  const std::string shared = p.text("shared");
  ::mount(shared.c_str(), shared.c_str(), nullptr, MS_BIND, nullptr);
  if (::mount("none", shared.c_str(), nullptr, MS_REMOUNT | MS_BIND, nullptr) != 0)
    return refused("remount writable");
  return create_file(mark(p, shared, "remount-read-only-bind"));
}

constexpr Operation kOperations[] = {
    {"write-root", kArea, "creates /evil in the host's root folder", write_root},
    {"write-usr", kArea, "creates a file in the host's /usr", write_usr},
    {"write-etc", kArea, "creates a file in the host's /etc", write_etc},
    {"write-home", kArea, "creates a file in the caller's home", write_home},
    {"write-host-tmp", kArea, "creates a file in a folder of the host's /tmp", write_host_tmp},
    {"write-read-only-bind", kArea, "creates a file in a folder that was shared read-only",
     write_read_only_bind},
    {"write-nested-mount", kArea, "writes through a mount below a folder that was shared read-only",
     write_nested_mount},
    {"write-usr-nested", kArea, "writes through a mount below the host's /usr", write_usr_nested},
    {"overwrite-file", kArea, "overwrites a file in the caller's home", overwrite_file},
    {"truncate-file", kArea, "empties a file in the caller's home", truncate_file},
    {"unlink-file", kArea, "removes a file in the caller's home", unlink_file},
    {"rename-file", kArea, "renames a file in the caller's home", rename_file},
    {"chmod-file", kArea, "changes the mode of a file in the caller's home", chmod_file},
    {"xattr-file", kArea, "sets an extended attribute on a file in the caller's home", xattr_file},
    {"remount-usr", kArea, "remounts /usr writable (mount) and writes to it", remount_usr},
    {"setattr-usr", kArea, "makes /usr writable (mount_setattr) and writes to it", setattr_usr},
    {"remount-read-only-bind", kArea, "remounts a folder that was shared read-only, and writes to it",
     remount_read_only_bind},
};

}  // namespace

std::span<const Operation> writing_operations() {
  return kOperations;
}

}  // namespace sandstone::probe_program
