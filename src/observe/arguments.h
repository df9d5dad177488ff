// The text of single arguments, for format.cc.
#pragma once

#include <optional>
#include <string>

#include "calls/table.h"
#include "observe/pieces.h"
#include "observe/record.h"

namespace sandstone::observe {

// "a\tb\177": C's escapes, octal for what is not printable ASCII, ... behind it if `cut`.
std::string quote(std::span<const uint8_t> bytes, bool cut);
// NULL or 0x7ffc1d30.
std::string pointer_text(uint64_t value);
// 0 or 0x7ffc1d30.
std::string hex_text(uint64_t value);

// Structs, from what was captured of them; a cut one reads as if zeroes followed. Empty for kinds that are
// none.
std::string struct_text(calls::Kind kind, const Piece& piece);
std::string timespec_text(const Piece& piece, size_t offset);
std::string stat_text(const Piece& piece);
std::string wait_status_text(uint32_t status);

// {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}
std::string sockaddr_text(const Piece& piece);
std::string message_text(const Pieces& pieces, unsigned arg, uint64_t total);
// [{iov_base="hello", iov_len=5}], `total` bytes of which are data.
std::string vectors_text(const Pieces& pieces, unsigned arg, uint64_t count, uint64_t total);
std::string protocol_name(uint64_t family, uint64_t protocol);
std::string option_name(uint64_t level, uint64_t option);

// Lists: argv; [3 4]; [{fd=3, events=POLLIN}], or only those with an answer, and it; what epoll_wait(2) gave.
std::string strings_text(const Pieces& pieces, unsigned arg, uint64_t value);
std::string fd_set_text(const Piece& piece, uint64_t count);
std::string pollfds_text(const Piece& piece, uint64_t count, bool answers);
std::string epoll_list(const Piece& piece, uint64_t count);

// What argument `i` reads as; nothing if this call does not have it, as open(2) without O_CREAT has no mode.
std::optional<std::string> argument_text(const Record& record, const calls::Call& call, const Pieces& pieces,
                                         unsigned i);
// " (Timeout)", " ([{fd=3, revents=POLLIN}])": what strace says behind the result.
std::string result_remark(const Record& record, const calls::Call& call, const Pieces& pieces);

}  // namespace sandstone::observe
