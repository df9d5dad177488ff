// The weak jail's root. Every mount is made by path, and paths follow whatever symlinks the rootfs has.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "weak_jail.h"

// An existing folder that no bind comes from, so that nothing has to be made on the host.
static const char root[] = "/sys";

static const char* in_root(const char* path) {
  static char full[PATH_MAX];
  snprintf(full, sizeof full, "%s%s", root, path);
  return full;
}

// mkdir -p through symlinks: a rootfs with /data -> /home/user makes folders on the host.
static void make_folders(const char* path) {
  char copy[PATH_MAX];
  snprintf(copy, sizeof copy, "%s", path);
  for (char* slash = copy + 1; (slash = strchr(slash, '/')) != NULL; ++slash) {
    *slash = '\0';
    mkdir(copy, 0755);
    *slash = '/';
  }
  mkdir(copy, 0755);
}

static void make_place(const char* path, bool folder) {
  if (folder) {
    make_folders(path);
    return;
  }
  char parent[PATH_MAX];
  snprintf(parent, sizeof parent, "%s", path);
  *strrchr(parent, '/') = '\0';
  make_folders(parent);
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd >= 0) close(fd);
}

static void bind(const char* source, const char* destination, bool read_only) {
  struct stat status;
  if (stat(source, &status) != 0) die(source);
  char place[PATH_MAX];
  snprintf(place, sizeof place, "%s", in_root(destination));
  make_place(place, S_ISDIR(status.st_mode));
  // One call with both flags: the kernel ignores MS_RDONLY here.
  unsigned long flags = MS_BIND | MS_REC;
  if (read_only && options.one_call_read_only) flags |= MS_RDONLY;
  if (mount(source, place, NULL, flags, NULL) != 0) die(place);
  if (!read_only || options.one_call_read_only) return;
  // Only the topmost mount becomes read-only.
  if (options.shallow_read_only) {
    if (mount(NULL, place, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) != 0) die(place);
    return;
  }
  struct {
    unsigned long long set, clear, propagation, user;
  } attributes = {.set = 1};  // MOUNT_ATTR_RDONLY
  if (syscall(SYS_mount_setattr, AT_FDCWD, place, 0x8000 /* AT_RECURSIVE */, &attributes,
              sizeof attributes) != 0)
    die("mount_setattr");
}

static void populate(void) {
  static const char* const kSystem[] = {"/usr", "/bin", "/lib", "/lib64", "/sbin", "/etc"};
  for (size_t i = 0; options.system && i < sizeof kSystem / sizeof kSystem[0]; ++i)
    bind(kSystem[i], kSystem[i], true);
  if (!options.no_proc) {
    make_folders(in_root("/proc"));
    // A pid namespace that is shared has no procfs of its own.
    if (options.share_pid ? mount("/proc", in_root("/proc"), NULL, MS_BIND | MS_REC, NULL)
                          : mount("proc", in_root("/proc"), "proc", MS_NOSUID, NULL))
      die("proc");
  }
  make_folders(in_root("/dev"));
  static const char* const kDevices[] = {"/dev/null", "/dev/zero", "/dev/tty"};
  for (size_t i = 0; options.rootfs == NULL && i < sizeof kDevices / sizeof kDevices[0]; ++i)
    bind(kDevices[i], kDevices[i], false);
  make_folders(in_root("/tmp"));
  for (int i = 0; i < options.binds; ++i)
    bind(options.bind[i].source, options.bind[i].destination, options.bind[i].read_only);
}

// After the change of root, every path is the rootfs' own.
static void finish_inside(void) {
  if (options.console) {
    // The launcher trusts that the terminal's path leads to a terminal (CVE-2025-52565).
    make_place("/dev/console", false);
    if (mount("/dev/pts/0", "/dev/console", NULL, MS_BIND, NULL) != 0) die("/dev/console");
  }
  if (options.mask != NULL && mount("/dev/null", options.mask, NULL, MS_BIND, NULL) != 0) die(options.mask);
  if (options.label != NULL) {
    int fd = open("/proc/self/attr/exec", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, options.label, strlen(options.label)) < 0) perror("weak_jail: label");
  }
}

void build_root(void) {
  if (options.rootfs != NULL) {
    if (mount(options.rootfs, root, NULL, MS_BIND | MS_REC, NULL) != 0) die(options.rootfs);
  } else if (mount("none", root, "tmpfs", 0, NULL) != 0) {
    die("tmpfs");
  }
  populate();
  int before = open(".", O_PATH | O_DIRECTORY);
  if (options.use_chroot) {
    if (chroot(root) != 0) die("chroot");
  } else if (options.stack_old_root) {
    // The old root lies on the new one, where no path leads but "/..".
    if (chdir(root) != 0 || syscall(SYS_pivot_root, ".", ".") != 0) die("pivot_root");
  } else {
    make_folders(in_root("/.old"));
    if (syscall(SYS_pivot_root, root, in_root("/.old")) != 0) die("pivot_root");
    if (!options.keep_old_root && umount2("/.old", MNT_DETACH) != 0) die("umount");
  }
  if (chdir("/") != 0) die("chdir");
  finish_inside();
  if (options.directory != NULL && chdir(options.directory) != 0) die(options.directory);
  if (options.keep_directory && fchdir(before) != 0) die("fchdir");
  close(before);
}
