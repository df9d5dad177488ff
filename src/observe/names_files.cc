#include "observe/names.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/memfd.h>
#include <linux/stat.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace sandstone::observe {
namespace {

#define N SANDSTONE_NAME

constexpr Name kOpenFlags[] = {
    N(O_TMPFILE),   N(O_SYNC),     N(O_CREAT),   N(O_EXCL),    N(O_NOCTTY), N(O_TRUNC),
    N(O_APPEND),    N(O_NONBLOCK), N(O_DSYNC),   N(O_ASYNC),   N(O_DIRECT), {0100000, "O_LARGEFILE"},
    N(O_DIRECTORY), N(O_NOFOLLOW), N(O_NOATIME), N(O_CLOEXEC), N(O_PATH)};

constexpr Name kOpenModes[] = {N(O_RDONLY), N(O_WRONLY), N(O_RDWR), N(O_ACCMODE)};

constexpr Name kTypes[] = {N(S_IFSOCK), N(S_IFLNK), N(S_IFREG), N(S_IFBLK),
                           N(S_IFDIR),  N(S_IFCHR), N(S_IFIFO)};

constexpr Name kAccess[] = {N(R_OK), N(W_OK), N(X_OK)};

constexpr Name kWhence[] = {N(SEEK_SET), N(SEEK_CUR), N(SEEK_END), N(SEEK_DATA), N(SEEK_HOLE)};

constexpr Name kFcntl[] = {N(F_DUPFD),           N(F_GETFD),       N(F_SETFD),       N(F_GETFL),
                           N(F_SETFL),           N(F_GETLK),       N(F_SETLK),       N(F_SETLKW),
                           N(F_SETOWN),          N(F_GETOWN),      N(F_SETSIG),      N(F_GETSIG),
                           N(F_SETOWN_EX),       N(F_GETOWN_EX),   N(F_OFD_GETLK),   N(F_OFD_SETLK),
                           N(F_OFD_SETLKW),      N(F_SETLEASE),    N(F_GETLEASE),    N(F_NOTIFY),
                           N(F_DUPFD_CLOEXEC),   N(F_SETPIPE_SZ),  N(F_GETPIPE_SZ),  N(F_ADD_SEALS),
                           N(F_GET_SEALS),       N(F_GET_RW_HINT), N(F_SET_RW_HINT), N(F_GET_FILE_RW_HINT),
                           N(F_SET_FILE_RW_HINT)};

constexpr Name kLocks[] = {N(LOCK_SH), N(LOCK_EX), N(LOCK_UN), N(LOCK_NB)};

constexpr Name kFallocate[] = {N(FALLOC_FL_KEEP_SIZE),     N(FALLOC_FL_PUNCH_HOLE),
                               N(FALLOC_FL_NO_HIDE_STALE), N(FALLOC_FL_COLLAPSE_RANGE),
                               N(FALLOC_FL_ZERO_RANGE),    N(FALLOC_FL_INSERT_RANGE),
                               N(FALLOC_FL_UNSHARE_RANGE)};

constexpr Name kCloseRange[] = {{2, "CLOSE_RANGE_UNSHARE"}, {4, "CLOSE_RANGE_CLOEXEC"}};

constexpr Name kInotify[] = {N(IN_ACCESS),        N(IN_MODIFY),      N(IN_ATTRIB),      N(IN_CLOSE_WRITE),
                             N(IN_CLOSE_NOWRITE), N(IN_OPEN),        N(IN_MOVED_FROM),  N(IN_MOVED_TO),
                             N(IN_CREATE),        N(IN_DELETE),      N(IN_DELETE_SELF), N(IN_MOVE_SELF),
                             N(IN_ONLYDIR),       N(IN_DONT_FOLLOW), N(IN_EXCL_UNLINK), N(IN_MASK_ADD),
                             N(IN_ISDIR),         N(IN_ONESHOT)};

constexpr Name kSplice[] = {N(SPLICE_F_MOVE), N(SPLICE_F_NONBLOCK), N(SPLICE_F_MORE), N(SPLICE_F_GIFT)};

constexpr Name kRename[] = {{1, "RENAME_NOREPLACE"}, {2, "RENAME_EXCHANGE"}, {4, "RENAME_WHITEOUT"}};

constexpr Name kXattr[] = {N(XATTR_CREATE), N(XATTR_REPLACE)};

constexpr Name kMount[] = {N(MS_RDONLY),      N(MS_NOSUID),   N(MS_NODEV),   N(MS_NOEXEC),  N(MS_SYNCHRONOUS),
                           N(MS_REMOUNT),     N(MS_MANDLOCK), N(MS_DIRSYNC), N(MS_NOATIME), N(MS_NODIRATIME),
                           N(MS_BIND),        N(MS_MOVE),     N(MS_REC),     N(MS_SILENT),  N(MS_POSIXACL),
                           N(MS_UNBINDABLE),  N(MS_PRIVATE),  N(MS_SLAVE),   N(MS_SHARED),  N(MS_RELATIME),
                           N(MS_STRICTATIME), N(MS_LAZYTIME)};

constexpr Name kUnmount[] = {N(MNT_FORCE), N(MNT_DETACH), N(MNT_EXPIRE), N(UMOUNT_NOFOLLOW)};

constexpr Name kStatx[] = {{0xfff, "STATX_ALL"}, N(STATX_BASIC_STATS), N(STATX_TYPE),  N(STATX_MODE),
                           N(STATX_NLINK),       N(STATX_UID),         N(STATX_GID),   N(STATX_ATIME),
                           N(STATX_MTIME),       N(STATX_CTIME),       N(STATX_INO),   N(STATX_SIZE),
                           N(STATX_BLOCKS),      N(STATX_BTIME),       N(STATX_MNT_ID)};

constexpr Name kDescriptor[] = {N(O_NONBLOCK), N(O_DIRECT), N(O_CLOEXEC)};

constexpr Name kEventfd[] = {N(EFD_SEMAPHORE), N(EFD_CLOEXEC), N(EFD_NONBLOCK)};

constexpr Name kMemfd[] = {
    N(MFD_CLOEXEC), N(MFD_ALLOW_SEALING), N(MFD_HUGETLB), {8, "MFD_NOEXEC_SEAL"}, {16, "MFD_EXEC"}};

constexpr Name kEpoll[] = {N(EPOLL_CLOEXEC)};

constexpr Name kEpollOperations[] = {N(EPOLL_CTL_ADD), N(EPOLL_CTL_DEL), N(EPOLL_CTL_MOD)};

constexpr Name kEpollEvents[] = {N(EPOLLIN),     N(EPOLLPRI),     N(EPOLLOUT),    N(EPOLLERR),
                                 N(EPOLLHUP),    N(EPOLLRDNORM),  N(EPOLLRDBAND), N(EPOLLWRNORM),
                                 N(EPOLLWRBAND), N(EPOLLMSG),     N(EPOLLRDHUP),  N(EPOLLEXCLUSIVE),
                                 N(EPOLLWAKEUP), N(EPOLLONESHOT), N(EPOLLET)};

constexpr Name kPollEvents[] = {N(POLLIN),     N(POLLPRI),    N(POLLOUT),    N(POLLERR),
                                N(POLLHUP),    N(POLLNVAL),   N(POLLRDNORM), N(POLLRDBAND),
                                N(POLLWRNORM), N(POLLWRBAND), N(POLLMSG),    N(POLLRDHUP)};

#undef N

}  // namespace

std::string open_flags(uint64_t flags) {
  flags = static_cast<uint32_t>(flags);
  std::string out = one_of(kOpenModes, flags & O_ACCMODE);
  if ((flags & ~uint64_t{O_ACCMODE}) != 0) out += "|" + set_of(kOpenFlags, flags & ~uint64_t{O_ACCMODE});
  return out;
}

std::string file_mode(uint64_t mode) {
  mode &= 0xffffffffU;
  const uint64_t type = mode & S_IFMT;
  return type == 0 ? fmt::format("{:#03o}", mode)
                   : fmt::format("{}|{:#03o}", one_of(kTypes, type), mode & ~uint64_t{S_IFMT});
}

std::string poll_events(uint64_t events) {
  return set_of(kPollEvents, events & 0xffff);
}

std::string epoll_events(uint64_t events) {
  return set_of(kEpollEvents, events & 0xffffffffU);
}

std::string named_file_word(calls::Kind kind, uint64_t value) {
  using enum calls::Kind;
  switch (kind) {
    case open_flags:
      return observe::open_flags(value);
    case access_mode:
      return set_of(kAccess, static_cast<uint32_t>(value), "F_OK");
    case whence:
      return one_of(kWhence, static_cast<uint32_t>(value));
    case fcntl_command:
      return one_of(kFcntl, static_cast<uint32_t>(value));
    case lock_operation:
      return set_of(kLocks, static_cast<uint32_t>(value));
    case fallocate_mode:
      return set_of(kFallocate, static_cast<uint32_t>(value));
    case close_range_flags:
      return set_of(kCloseRange, static_cast<uint32_t>(value));
    case inotify_mask:
      return set_of(kInotify, static_cast<uint32_t>(value));
    case splice_flags:
      return set_of(kSplice, static_cast<uint32_t>(value));
    case rename_flags:
      return set_of(kRename, static_cast<uint32_t>(value));
    case xattr_flags:
      return set_of(kXattr, static_cast<uint32_t>(value));
    case mount_flags:
      return set_of(kMount, value);
    case unmount_flags:
      return set_of(kUnmount, static_cast<uint32_t>(value));
    case statx_mask:
      return set_of(kStatx, static_cast<uint32_t>(value));
    case descriptor_flags:
      return set_of(kDescriptor, static_cast<uint32_t>(value));
    case eventfd_flags:
      return set_of(kEventfd, static_cast<uint32_t>(value));
    case memfd_flags:
      return set_of(kMemfd, static_cast<uint32_t>(value));
    case epoll_flags:
      return set_of(kEpoll, static_cast<uint32_t>(value));
    case epoll_operation:
      return one_of(kEpollOperations, static_cast<uint32_t>(value));
    case ioctl_request:
      return ioctl_name(value);
    default:
      return {};
  }
}

}  // namespace sandstone::observe
