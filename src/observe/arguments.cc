#include "observe/arguments.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/futex.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "observe/names.h"
#include "observe/plan.h"

namespace sandstone::observe {
namespace {

using calls::Kind;

std::string at_flags(uint64_t value, uint32_t number) {
  const bool removes = number == SYS_unlinkat;
  const Name names[] = {{0x100, "AT_SYMLINK_NOFOLLOW"}, {0x200, removes ? "AT_REMOVEDIR" : "AT_EACCESS"},
                        {0x400, "AT_SYMLINK_FOLLOW"},   {0x800, "AT_NO_AUTOMOUNT"},
                        {0x1000, "AT_EMPTY_PATH"},      {0x2000, "AT_STATX_FORCE_SYNC"},
                        {0x4000, "AT_STATX_DONT_SYNC"}, {0x8000, "AT_RECURSIVE"}};
  const std::string none = number == SYS_statx ? "AT_STATX_SYNC_AS_STAT" : "0";
  return set_of(names, static_cast<uint32_t>(value), none);
}

std::string descriptor(uint64_t value, bool folder) {
  const auto fd = static_cast<int32_t>(value);
  return folder && fd == AT_FDCWD ? "AT_FDCWD" : fmt::format("{}", fd);
}

// Text of words that have no names.
std::optional<std::string> plain_word(Kind kind, uint64_t value) {
  switch (kind) {
    case Kind::integer:
    case Kind::pid:
    case Kind::uid:
    case Kind::gid:
    case Kind::fd:
      return fmt::format("{}", static_cast<int32_t>(value));
    case Kind::dirfd:
      return descriptor(value, true);
    case Kind::size:
      return fmt::format("{}", value);
    case Kind::offset:
      return fmt::format("{}", static_cast<int64_t>(value));
    case Kind::mode:
      return file_mode(value);
    case Kind::hex:
      return hex_text(value);
    case Kind::device:
      return fmt::format("makedev({:#x}, {:#x})", gnu_dev_major(value), gnu_dev_minor(value));
    default:
      return std::nullopt;
  }
}

std::optional<std::string> fcntl_text(const Record& record, const Pieces& pieces, unsigned i) {
  const uint64_t value = record.args[i];
  switch (static_cast<uint32_t>(record.args[1])) {
    case F_GETFD:
    case F_GETFL:
    case F_GETOWN:
    case F_GETSIG:
    case F_GETLEASE:
    case F_GETPIPE_SZ:
    case F_GET_SEALS:
      return std::nullopt;
    case F_SETFD:
      return value == FD_CLOEXEC ? "FD_CLOEXEC" : hex_text(value);
    case F_SETFL:
      return open_flags(value);
    case F_SETSIG:
      return signal_name(static_cast<uint32_t>(value));
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
    case F_SETOWN:
    case F_SETPIPE_SZ:
      return fmt::format("{}", static_cast<int32_t>(value));
    default:
      break;
  }
  const auto lock = pieces.find(i);
  if (!lock || lock->bytes.size() < 32) return pointer_text(value);
  constexpr Name kTypes[] = {{F_RDLCK, "F_RDLCK"}, {F_WRLCK, "F_WRLCK"}, {F_UNLCK, "F_UNLCK"}};
  return fmt::format("{{l_type={}, l_whence={}, l_start={}, l_len={}}}",
                     one_of(kTypes, lock->get<uint16_t>(0)), named_word(Kind::whence, lock->get<uint16_t>(2)),
                     lock->get<int64_t>(8), lock->get<int64_t>(16));
}

std::optional<std::string> ioctl_text(const Record& record, const Pieces& pieces, unsigned i) {
  const auto request = static_cast<uint32_t>(record.args[1]);
  if (request == FIOCLEX || request == FIONCLEX || request == TIOCNOTTY) return std::nullopt;
  const auto piece = pieces.find(i);
  if (!piece) return hex_text(record.args[i]);
  if (request == TIOCGWINSZ || request == TIOCSWINSZ)
    return fmt::format("{{ws_row={}, ws_col={}, ws_xpixel={}, ws_ypixel={}}}", piece->get<uint16_t>(0),
                       piece->get<uint16_t>(2), piece->get<uint16_t>(4), piece->get<uint16_t>(6));
  return fmt::format("[{}]", piece->get<int32_t>(0));
}

// Whether an operation of futex(2) has argument `i`.
bool futex_has(uint64_t operation, unsigned i) {
  switch (operation & static_cast<uint32_t>(FUTEX_CMD_MASK)) {
    case FUTEX_UNLOCK_PI:
    case FUTEX_TRYLOCK_PI:
      return i < 2;
    case FUTEX_WAKE:
    case FUTEX_FD:
      return i < 3;
    case FUTEX_WAIT:
    case FUTEX_LOCK_PI:
      return i < 4;
    case FUTEX_WAKE_BITSET:
      return i < 3 || i == 5;
    case FUTEX_WAIT_BITSET:
      return i != 4;
    case FUTEX_REQUEUE:
      return i < 5;
    default:
      return true;
  }
}

bool is_device(uint64_t mode) {
  return S_ISCHR(mode) || S_ISBLK(mode);
}

bool has_argument(const Record& record, unsigned i) {
  constexpr uint64_t kMakes = O_CREAT | (O_TMPFILE & ~O_DIRECTORY);
  switch (record.number) {
    case SYS_open:
      return i < 2 || (record.args[1] & kMakes) != 0;
    case SYS_openat:
      return i < 3 || (record.args[2] & kMakes) != 0;
    case SYS_mq_open:
      return i < 2 || (record.args[1] & kMakes) != 0;
    case SYS_mremap:
      return i < 4 || (record.args[3] & 2) != 0;  // MREMAP_FIXED
    case SYS_futex:
      return futex_has(record.args[1], i);
    case SYS_mknod:
      return i < 2 || is_device(record.args[1]);
    case SYS_mknodat:
      return i < 3 || is_device(record.args[2]);
    default:
      return true;
  }
}

std::string option_text(const std::optional<Piece>& piece, uint64_t value) {
  if (!piece) return pointer_text(value);
  return piece->bytes.size() == 4 ? fmt::format("[{}]", piece->get<int32_t>(0))
                                  : quote(piece->bytes, piece->cut);
}

std::string bytes_text(const Record& record, const Piece& piece, uint64_t total) {
  auto bytes = piece.bytes;
  if (record.number == SYS_getcwd && !bytes.empty() &&
      bytes.back() == 0) {  // its result counts the zero byte
    bytes = bytes.first(bytes.size() - 1);
    --total;
  }
  return quote(bytes, bytes.size() < total);
}

}  // namespace

std::optional<std::string> argument_text(const Record& record, const calls::Call& call, const Pieces& pieces,
                                         unsigned i) {
  const calls::Arg arg = call.args[i];
  const uint64_t value = record.args[i];
  const uint64_t with = record.args[arg.with];
  const auto result = static_cast<uint64_t>(record.result);
  if (!has_argument(record, i)) return std::nullopt;
  if (auto word = plain_word(arg.kind, value)) return word;
  switch (arg.kind) {
    case Kind::fcntl_argument:
      return fcntl_text(record, pieces, i);
    case Kind::ioctl_argument:
      return ioctl_text(record, pieces, i);
    case Kind::at_flags:
      return at_flags(value, record.number);
    case Kind::natural:
      if (record.number == SYS_futex && i == 5 && static_cast<uint32_t>(value) == FUTEX_BITSET_MATCH_ANY)
        return "FUTEX_BITSET_MATCH_ANY";
      return fmt::format("{}", static_cast<uint32_t>(value));
    case Kind::socket_protocol:
      return protocol_name(record.args[0], value);
    case Kind::socket_option:
      return option_name(record.args[1], value);
    case Kind::strings:
      return strings_text(pieces, i, value);
    case Kind::option_in:
    case Kind::option_out:
      return option_text(pieces.find(i), value);
    case Kind::iovec_in:
    case Kind::iovec_out:
      if (!pieces.find(i, part::vectors)) return with == 0 ? "[]" : pointer_text(value);
      return vectors_text(pieces, i, with, arg.kind == Kind::iovec_in ? ~uint64_t{0} : result);
    default:
      break;
  }
  if (std::string word = named_word(arg.kind, value); !word.empty()) return word;

  const auto piece = pieces.find(i);
  if (!piece) {
    const bool none_came = value != 0 && !record.no_result && result == 0;
    if (none_came && arg.kind == Kind::bytes_out) return "\"\"";
    if (none_came && arg.kind == Kind::epoll_events_out) return "[]";
    if (arg.kind == Kind::bytes_in && value != 0 && with == 0) return "\"\"";
    return pointer_text(value);
  }
  switch (arg.kind) {
    case Kind::path:
    case Kind::text:
      return quote(piece->bytes, piece->cut);
    case Kind::environment:
      return fmt::format("{} /* {} vars */", pointer_text(value), piece->get<uint32_t>(0));
    case Kind::bytes_in:
      return bytes_text(record, *piece, with);
    case Kind::bytes_out:
      return bytes_text(record, *piece, std::min(result, with));
    case Kind::sockaddr_in:
    case Kind::sockaddr_out:
      return sockaddr_text(*piece);
    case Kind::pollfds:
      return pollfds_text(*piece, with, false);
    case Kind::fd_set:
      return fd_set_text(*piece, with);
    case Kind::epoll_events_out:
      return epoll_list(*piece, result);
    case Kind::message_in:
      return message_text(pieces, i, ~uint64_t{0});
    case Kind::message_out:
      return message_text(pieces, i, result);
    case Kind::wait_status_out:
      if (result == 0) return pointer_text(value);  // WNOHANG, and nothing was written
      break;
    default:
      break;
  }
  std::string text = struct_text(arg.kind, *piece);
  return text.empty() ? pointer_text(value) : text;
}

}  // namespace sandstone::observe
