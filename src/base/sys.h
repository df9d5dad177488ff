// System calls as the kernel gives them: the result, or -errno. Nothing here touches errno, locks or allocates, so
// all of it may be used between clone and exec, and by a child that shares its parent's memory.
#pragma once

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sandstone::sys {

inline long call(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) noexcept {
  long result = 0;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

template <typename T>
long word(T* pointer) noexcept {
  return reinterpret_cast<long>(pointer);
}

inline int openat(int dir, const char* path, int flags, mode_t mode = 0) noexcept {
  return static_cast<int>(call(SYS_openat, dir, word(path), flags | O_CLOEXEC, mode));
}
inline int openat2(int dir, const char* path, uint64_t flags, uint64_t mode, uint64_t resolve) noexcept {
  open_how how{flags | O_CLOEXEC, mode, resolve};
  return static_cast<int>(call(SYS_openat2, dir, word(path), word(&how), sizeof how));
}
inline int close(int fd) noexcept {
  return static_cast<int>(call(SYS_close, fd));
}
inline long read(int fd, void* data, size_t size) noexcept {
  return call(SYS_read, fd, word(data), static_cast<long>(size));
}
inline long write(int fd, const void* data, size_t size) noexcept {
  return call(SYS_write, fd, word(data), static_cast<long>(size));
}
inline int mkdirat(int dir, const char* path, mode_t mode) noexcept {
  return static_cast<int>(call(SYS_mkdirat, dir, word(path), mode));
}
inline int mknodat(int dir, const char* path, mode_t mode) noexcept {
  return static_cast<int>(call(SYS_mknodat, dir, word(path), mode, 0));
}
inline int open_tree(int dir, const char* path, unsigned flags) noexcept {
  return static_cast<int>(call(SYS_open_tree, dir, word(path), flags));
}
// Attaches the mount `from` to `to`, or to the name `path` in the folder `to`, which is not followed if it is a symlink.
inline int move_mount(int from, int to, const char* path = "") noexcept {
  const unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (*path == '\0' ? MOVE_MOUNT_T_EMPTY_PATH : 0U);
  return static_cast<int>(call(SYS_move_mount, from, word(""), to, word(path), flags));
}
inline int mount_setattr(int dir, const char* path, unsigned flags, const mount_attr& attr) noexcept {
  return static_cast<int>(call(SYS_mount_setattr, dir, word(path), flags, word(&attr), sizeof attr));
}
inline int fsopen(const char* type) noexcept {
  return static_cast<int>(call(SYS_fsopen, word(type), FSOPEN_CLOEXEC));
}
inline int fsconfig(int fs, unsigned command, const char* key, const char* value) noexcept {
  return static_cast<int>(call(SYS_fsconfig, fs, command, word(key), word(value), 0));
}
inline int fsmount(int fs, unsigned attributes) noexcept {
  return static_cast<int>(call(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes));
}

// A filesystem of its own, not yet mounted anywhere: `options` is key, value, key, value…; a null value is a flag.
inline int detached_mount(const char* type, const char* const* options, size_t count,
                          unsigned attributes) noexcept {
  const int fs = fsopen(type);
  if (fs < 0) return fs;
  int result = 0;
  for (size_t i = 0; i + 1 < count && result >= 0; i += 2)
    result = fsconfig(fs, options[i + 1] != nullptr ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, options[i],
                      options[i + 1]);
  if (result >= 0) result = fsconfig(fs, FSCONFIG_CMD_CREATE, nullptr, nullptr);
  if (result >= 0) result = fsmount(fs, attributes);
  close(fs);
  return result;
}

}  // namespace sandstone::sys
