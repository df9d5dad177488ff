// Offsets are those of x86-64's ABI: what a guest's call holds, whatever this program is compiled for.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <csignal>

#include "observe/arguments.h"
#include "observe/names.h"

namespace sandstone::observe {
namespace {

using calls::Kind;

constexpr uint64_t kRestorer = 0x04000000;  // the kernel's, which the C library hides
constexpr Name kSignalFlags[] = {{kRestorer, "SA_RESTORER"},     {SA_ONSTACK, "SA_ONSTACK"},
                                 {SA_RESTART, "SA_RESTART"},     {SA_NODEFER, "SA_NODEFER"},
                                 {0x80000000, "SA_RESETHAND"},   {SA_SIGINFO, "SA_SIGINFO"},
                                 {SA_NOCLDSTOP, "SA_NOCLDSTOP"}, {SA_NOCLDWAIT, "SA_NOCLDWAIT"}};
constexpr Name kHandlers[] = {{0, "SIG_DFL"}, {1, "SIG_IGN"}};
constexpr Name kStackFlags[] = {
    {SS_ONSTACK, "SS_ONSTACK"}, {SS_DISABLE, "SS_DISABLE"}, {0x80000000, "SS_AUTODISARM"}};
constexpr Name kResolve[] = {{1, "RESOLVE_NO_XDEV"}, {2, "RESOLVE_NO_MAGICLINKS"}, {4, "RESOLVE_NO_SYMLINKS"},
                             {8, "RESOLVE_BENEATH"}, {16, "RESOLVE_IN_ROOT"},      {32, "RESOLVE_CACHED"}};

std::string timeval_text(const Piece& piece, size_t offset) {
  return fmt::format("{{tv_sec={}, tv_usec={}}}", piece.get<int64_t>(offset), piece.get<int64_t>(offset + 8));
}

std::string limit(uint64_t value) {
  if (value == ~uint64_t{0}) return "RLIM64_INFINITY";
  if (value > 1024 && value % 1024 == 0) return fmt::format("{}*1024", value / 1024);
  return fmt::format("{}", value);
}

std::string sigaction_text(const Piece& piece) {
  const auto handler = piece.get<uint64_t>(0);
  const auto flags = piece.get<uint64_t>(8);
  std::string out = fmt::format("{{sa_handler={}, sa_mask={}, sa_flags={}", one_of(kHandlers, handler),
                                signal_set(piece.get<uint64_t>(24)), set_of(kSignalFlags, flags));
  if ((flags & kRestorer) != 0) out += fmt::format(", sa_restorer={:#x}", piece.get<uint64_t>(16));
  return out + "}";
}

std::string siginfo_text(const Piece& piece) {
  constexpr Name kCodes[] = {{0, "SI_USER"},
                             {0xffffffff, "SI_QUEUE"},
                             {0xfffffffe, "SI_TIMER"},
                             {0xfffffffa, "SI_TKILL"},
                             {0x80, "SI_KERNEL"}};
  constexpr Name kChildCodes[] = {{1, "CLD_EXITED"},  {2, "CLD_KILLED"},  {3, "CLD_DUMPED"},
                                  {4, "CLD_TRAPPED"}, {5, "CLD_STOPPED"}, {6, "CLD_CONTINUED"}};
  const auto number = piece.get<uint32_t>(0);
  const auto code = piece.get<uint32_t>(8);
  if (number == 0) return "{}";
  const bool child = number == SIGCHLD && code >= 1 && code <= 6;
  std::string out = fmt::format("{{si_signo={}, si_code={}, si_pid={}, si_uid={}", signal_name(number),
                                child ? one_of(kChildCodes, code) : one_of(kCodes, code),
                                piece.get<int32_t>(16), piece.get<uint32_t>(20));
  if (child) {
    const auto status = piece.get<uint32_t>(24);
    out += ", si_status=" + (code == 1 ? fmt::format("{}", status) : signal_name(status));
  }
  return out + "}";
}

std::string statx_text(const Piece& piece) {
  const auto mode = piece.get<uint16_t>(28);
  return fmt::format("{{stx_mask={}, stx_attributes={}, stx_mode={}, stx_size={}, ...}}",
                     named_word(Kind::statx_mask, piece.get<uint32_t>(0)), piece.get<uint64_t>(8),
                     file_mode(mode), piece.get<uint64_t>(40));
}

std::string statfs_text(const Piece& piece) {
  constexpr Name kTypes[] = {
      {0xef53, "EXT2_SUPER_MAGIC"}, {0x01021994, "TMPFS_MAGIC"},      {0x9fa0, "PROC_SUPER_MAGIC"},
      {0x62656572, "SYSFS_MAGIC"},  {0x65735546, "FUSE_SUPER_MAGIC"}, {0x794c7630, "OVERLAYFS_SUPER_MAGIC"},
      {0x858458f6, "RAMFS_MAGIC"},  {0x1cd1, "DEVPTS_SUPER_MAGIC"},   {0x27e0eb, "CGROUP_SUPER_MAGIC"}};
  return fmt::format(
      "{{f_type={}, f_bsize={}, f_blocks={}, f_bfree={}, f_bavail={}, f_files={}, f_ffree={}, ...}}",
      one_of(kTypes, piece.get<uint64_t>(0)), piece.get<uint64_t>(8), piece.get<uint64_t>(16),
      piece.get<uint64_t>(24), piece.get<uint64_t>(32), piece.get<uint64_t>(40), piece.get<uint64_t>(48));
}

// A text in a field of a struct, which may lack its zero byte.
std::string field(const Piece& piece, size_t offset, size_t length) {
  if (offset >= piece.bytes.size()) return "\"\"";
  auto bytes = piece.bytes.subspan(offset, std::min(length, piece.bytes.size() - offset));
  size_t end = 0;
  while (end < bytes.size() && bytes[end] != 0) ++end;
  return quote(bytes.first(end), false);
}

std::string clone_args_text(const Piece& piece) {
  return fmt::format(
      "{{flags={}, child_tid={}, parent_tid={}, exit_signal={}, stack={}, stack_size={:#x}, tls={}}}",
      named_word(Kind::clone_flags, piece.get<uint64_t>(0)), pointer_text(piece.get<uint64_t>(16)),
      pointer_text(piece.get<uint64_t>(24)),
      piece.get<uint64_t>(32) == 0 ? "0" : signal_name(piece.get<uint64_t>(32)),
      pointer_text(piece.get<uint64_t>(40)), piece.get<uint64_t>(48), pointer_text(piece.get<uint64_t>(56)));
}

std::string open_how_text(const Piece& piece) {
  const auto mode = piece.get<uint64_t>(8);
  return fmt::format("{{flags={}{}, resolve={}}}", open_flags(piece.get<uint64_t>(0)),
                     mode == 0 ? "" : fmt::format(", mode={}", file_mode(mode)),
                     set_of(kResolve, piece.get<uint64_t>(16)));
}

}  // namespace

std::string timespec_text(const Piece& piece, size_t offset) {
  return fmt::format("{{tv_sec={}, tv_nsec={}}}", piece.get<int64_t>(offset), piece.get<int64_t>(offset + 8));
}

std::string stat_text(const Piece& piece) {
  const auto mode = piece.get<uint32_t>(24);
  const auto device = piece.get<uint64_t>(40);
  const std::string what =
      S_ISCHR(mode) || S_ISBLK(mode)
          ? fmt::format("st_rdev=makedev({:#x}, {:#x})", gnu_dev_major(device), gnu_dev_minor(device))
          : fmt::format("st_size={}", piece.get<int64_t>(48));
  return fmt::format("{{st_mode={}, {}, ...}}", file_mode(mode), what);
}

std::string wait_status_text(uint32_t word) {
  const auto status = static_cast<int>(word);
  if (WIFEXITED(status))
    return fmt::format("[{{WIFEXITED(s) && WEXITSTATUS(s) == {}}}]", WEXITSTATUS(status));
  if (WIFCONTINUED(status)) return "[{WIFCONTINUED(s)}]";
  if (WIFSTOPPED(status))
    return fmt::format("[{{WIFSTOPPED(s) && WSTOPSIG(s) == {}}}]",
                       signal_name(static_cast<uint64_t>(WSTOPSIG(status))));
  return fmt::format("[{{WIFSIGNALED(s) && WTERMSIG(s) == {}{}}}]",
                     signal_name(static_cast<uint64_t>(WTERMSIG(status))),
                     WCOREDUMP(status) ? " && WCOREDUMP(s)" : "");
}

std::string struct_text(Kind kind, const Piece& piece) {
  using enum Kind;
  switch (kind) {
    case stat_out:
      return stat_text(piece);
    case statx_out:
      return statx_text(piece);
    case statfs_out:
      return statfs_text(piece);
    case timespec_in:
    case timespec_out:
      return timespec_text(piece, 0);
    case timespecs_in:
      return fmt::format("[{}, {}]", timespec_text(piece, 0), timespec_text(piece, 16));
    case timeval_in:
    case timeval_out:
      return timeval_text(piece, 0);
    case timevals_in:
      return fmt::format("[{}, {}]", timeval_text(piece, 0), timeval_text(piece, 16));
    case itimerval_in:
    case itimerval_out:
      return fmt::format("{{it_interval={}, it_value={}}}", timeval_text(piece, 0), timeval_text(piece, 16));
    case itimerspec_in:
    case itimerspec_out:
      return fmt::format("{{it_interval={}, it_value={}}}", timespec_text(piece, 0),
                         timespec_text(piece, 16));
    case rusage_out:
      return fmt::format("{{ru_utime={}, ru_stime={}, ...}}", timeval_text(piece, 0),
                         timeval_text(piece, 16));
    case rlimit_in:
    case rlimit_out:
      return fmt::format("{{rlim_cur={}, rlim_max={}}}", limit(piece.get<uint64_t>(0)),
                         limit(piece.get<uint64_t>(8)));
    case sysinfo_out:
      return fmt::format("{{uptime={}, loads=[{}, {}, {}], totalram={}, freeram={}, ...}}",
                         piece.get<int64_t>(0), piece.get<uint64_t>(8), piece.get<uint64_t>(16),
                         piece.get<uint64_t>(24), piece.get<uint64_t>(32), piece.get<uint64_t>(40));
    case utsname_out:
      return fmt::format("{{sysname={}, nodename={}, release={}, ...}}", field(piece, 0, 65),
                         field(piece, 65, 65), field(piece, 130, 65));
    case tms_out:
      return fmt::format("{{tms_utime={}, tms_stime={}, tms_cutime={}, tms_cstime={}}}",
                         piece.get<int64_t>(0), piece.get<int64_t>(8), piece.get<int64_t>(16),
                         piece.get<int64_t>(24));
    case sigset_in:
    case sigset_out:
      return signal_set(piece.get<uint64_t>(0));
    case sigaction_in:
    case sigaction_out:
      return sigaction_text(piece);
    case siginfo_in:
    case siginfo_out:
      return siginfo_text(piece);
    case altstack_in:
    case altstack_out:
      return fmt::format("{{ss_sp={}, ss_flags={}, ss_size={}}}", pointer_text(piece.get<uint64_t>(0)),
                         set_of(kStackFlags, piece.get<uint32_t>(8)), piece.get<uint64_t>(16));
    case fd_pair_out:
      return fmt::format("[{}, {}]", piece.get<int32_t>(0), piece.get<int32_t>(4));
    case epoll_event_in:
      return fmt::format("{{events={}, data={{u32={}, u64={}}}}}", epoll_events(piece.get<uint32_t>(0)),
                         piece.get<uint32_t>(4), piece.get<uint64_t>(4));
    case wait_status_out:
      return wait_status_text(piece.get<uint32_t>(0));
    case int_out:
    case length_inout:
      return fmt::format("[{}]", piece.get<int32_t>(0));
    case long_in:
    case long_out:
      return fmt::format("[{}]", piece.get<int64_t>(0));
    case clone_args:
      return clone_args_text(piece);
    case open_how:
      return open_how_text(piece);
    default:
      return {};
  }
}

}  // namespace sandstone::observe
