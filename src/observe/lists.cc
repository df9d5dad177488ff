// Arguments that are lists: argv, sets of descriptors, events.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>

#include <algorithm>

#include "observe/arguments.h"
#include "observe/names.h"

namespace sandstone::observe {

std::string strings_text(const Pieces& pieces, unsigned arg, uint64_t value) {
  std::string out;
  bool more = false;
  pieces.each([&](const PieceHeader& header, const Piece& piece) {
    if (header.arg != arg) return;
    out += (out.empty() ? "[" : ", ") + quote(piece.bytes, piece.cut);
    more = (header.part & PieceHeader::kMore) != 0;
  });
  if (out.empty()) return pointer_text(value);
  return out + (more ? ", ...]" : "]");
}

std::string fd_set_text(const Piece& piece, uint64_t count) {
  std::string out = "[";
  for (size_t fd = 0; fd < std::min<uint64_t>(count, piece.bytes.size() * 8); ++fd)
    if ((piece.bytes[fd / 8] >> fd % 8 & 1) != 0) out += fmt::format("{}{}", out.size() > 1 ? " " : "", fd);
  return out + (piece.bytes.size() * 8 < count && piece.cut ? " ...]" : "]");
}

std::string pollfds_text(const Piece& piece, uint64_t count, bool answers) {
  std::string out = "[";
  const size_t known = piece.bytes.size() / 8;
  for (size_t i = 0; i < known; ++i) {
    const auto fd = piece.get<int32_t>(8 * i);
    const auto events = piece.get<uint16_t>(8 * i + 4);
    const auto revents = piece.get<uint16_t>(8 * i + 6);
    if (answers && revents == 0) continue;
    if (out.size() > 1) out += ", ";
    out += answers  ? fmt::format("{{fd={}, revents={}}}", fd, poll_events(revents))
           : fd < 0 ? fmt::format("{{fd={}}}", fd)
                    : fmt::format("{{fd={}, events={}}}", fd, poll_events(events));
  }
  return out + (known < count ? ", ...]" : "]");
}

std::string epoll_list(const Piece& piece, uint64_t count) {
  std::string out = "[";
  const size_t known = piece.bytes.size() / 12;
  for (size_t i = 0; i < known; ++i) {
    const Piece one{piece.bytes.subspan(12 * i, 12), false};
    out += (i > 0 ? ", " : "") + struct_text(calls::Kind::epoll_event_in, one);
  }
  return out + (known < count ? ", ...]" : "]");
}

std::string result_remark(const Record& record, const calls::Call& call, const Pieces& pieces) {
  if (record.number == SYS_fcntl && record.args[1] == F_GETFL)
    return fmt::format(" (flags {})", open_flags(static_cast<uint64_t>(record.result)));
  if (record.number == SYS_fcntl && record.args[1] == F_GETFD && record.result == FD_CLOEXEC)
    return " (flags FD_CLOEXEC)";
  std::string sets;
  for (unsigned i = 0; i < call.count; ++i) {
    const uint64_t with = record.args[call.args[i].with];
    if (call.args[i].kind == calls::Kind::pollfds) {
      if (record.result == 0) return " (Timeout)";
      if (const auto piece = pieces.find(i)) return fmt::format(" ({})", pollfds_text(*piece, 0, true));
    }
    if (call.args[i].kind == calls::Kind::fd_set) {
      if (record.result == 0) return " (Timeout)";
      constexpr const char* kNames[] = {"in", "out", "except"};
      const auto piece = pieces.find(i, part::second);
      const std::string text = piece ? fd_set_text(*piece, with) : "[]";
      if (text != "[]" && i >= 1 && i <= 3)
        sets += fmt::format("{}{} {}", sets.empty() ? "" : ", ", kNames[i - 1], text);
    }
  }
  return sets.empty() ? "" : fmt::format(" ({})", sets);
}

}  // namespace sandstone::observe
