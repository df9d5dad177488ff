#include "observe/capture.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <string>
#include <string_view>

#include "observe/format.h"
#include "observe/pieces.h"
#include "observe/traced_call.h"

namespace sandstone::observe {
namespace {

std::string_view text_of(const std::optional<Piece>& piece) {
  return piece ? std::string_view(reinterpret_cast<const char*>(piece->bytes.data()), piece->bytes.size())
               : std::string_view("nothing");
}

// Two pages, the second of which cannot be read.
class Edge {
 public:
  Edge()
      : memory_(static_cast<char*>(
            ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    ::mprotect(memory_ + 4096, 4096, PROT_NONE);
  }
  Edge(const Edge&) = delete;
  Edge& operator=(const Edge&) = delete;
  ~Edge() { ::munmap(memory_, 8192); }
  // `text` right before the edge, with its zero byte or without.
  char* put(std::string_view text, bool with_zero) {
    char* at = memory_ + 4096 - text.size() - (with_zero ? 1 : 0);
    text.copy(at, text.size());
    if (with_zero) at[text.size()] = 0;
    return at;
  }

 private:
  char* memory_;
};

TEST(TraceCapture, RealCalls) {
  const Record open = traced(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
  ASSERT_GE(open.result, 0);
  EXPECT_EQ(format_text(open),
            "openat(AT_FDCWD, \"/dev/null\", O_RDWR|O_CLOEXEC) = " + std::to_string(open.result));
  struct stat status{};
  const Record stat = traced(SYS_fstat, open.result, &status);
  EXPECT_EQ(format_text(stat), "fstat(" + std::to_string(open.result) +
                                   ", {st_mode=S_IFCHR|0666, st_rdev=makedev(0x1, 0x3), ...}) = 0");
  EXPECT_EQ(format_text(traced(SYS_close, open.result)), "close(" + std::to_string(open.result) + ") = 0");
}

TEST(TraceCapture, TextsAtTheEdgeOfMemory) {
  Edge edge;
  Record record = pretended(0, SYS_unlink, edge.put("/tmp/at-the-edge", true));
  EXPECT_EQ(format_text(record), R"(unlink("/tmp/at-the-edge") = 0)");
  record = pretended(-EFAULT, SYS_unlink, edge.put("/tmp/over-it", false));
  EXPECT_EQ(format_text(record), R"(unlink("/tmp/over-it"...) = -1 EFAULT (Bad address))");
  record = pretended(-ENOENT, SYS_unlink, edge.put("", true));
  EXPECT_EQ(format_text(record), R"(unlink("") = -1 ENOENT (No such file or directory))");
  record = pretended(-EFAULT, SYS_unlink, 16);
  EXPECT_EQ(format_text(record), "unlink(0x10) = -1 EFAULT (Bad address)");
}

// A text's reader must not touch the page behind the text's own: a fault there costs more than the whole
// record.
TEST(TraceCapture, NeverReadsBeyondTheTextsPage) {
  Edge edge;
  const char* path = edge.put("/etc/hosts", true);
  const auto end = reinterpret_cast<uint64_t>(path) + sizeof "/etc/hosts";
  Record record;
  capture_entry(record, SYS_unlink, {reinterpret_cast<uint64_t>(path)},
                [&](void* to, uint64_t from, size_t length) {
                  EXPECT_LE(from + length, end);
                  return copy_own_memory(to, from, length);
                });
  EXPECT_EQ(text_of(Pieces(record).find(0)), "/etc/hosts");
}

TEST(TraceCapture, FailedCallsGiveNothing) {
  char buffer[16] = "not read";
  const Record record = pretended(-EIO, SYS_read, 3, buffer, sizeof buffer);
  EXPECT_EQ(record.captured, 0);
}

TEST(TraceCapture, KeepsNoMoreThanTheCallGave) {
  char buffer[64] = "abcdefgh";
  EXPECT_EQ(text_of(Pieces(pretended(3, SYS_read, 3, buffer, sizeof buffer)).find(1)), "abc");
  EXPECT_EQ(text_of(Pieces(pretended(100, SYS_read, 3, buffer, 2)).find(1)), "ab")
      << "a result beyond the buffer";
  EXPECT_EQ(text_of(Pieces(pretended(100, SYS_getxattr, "/f", "user.x", buffer, 0)).find(2)), "nothing")
      << "a question for the size";
}

TEST(TraceCapture, LengthsThatLie) {
  const char* path = "/x";
  for (uint64_t length : {uint64_t{0}, uint64_t{1} << 31, uint64_t{1} << 63, ~uint64_t{0}}) {
    for (long number :
         {SYS_write, SYS_sendto, SYS_bind, SYS_setsockopt, SYS_writev, SYS_poll, SYS_select, SYS_epoll_wait,
          SYS_clone3, SYS_openat2, SYS_sendmsg, SYS_readv, SYS_recvmsg, SYS_execve}) {
      const Record record =
          pretended(static_cast<int64_t>(length >> 1), number, path, path, length, path, length, length);
      EXPECT_LE(record.captured, Record::kMemory) << number;
      EXPECT_FALSE(format_text(record).empty());
    }
  }
}

TEST(TraceCapture, EveryCallWithEveryPointer) {
  Edge edge;
  for (uint32_t number = 0; number <= calls::kLastNumber + 1; ++number) {
    for (const char* memory :
         {static_cast<const char*>(nullptr), static_cast<const char*>(edge.put("0123", true)),
          static_cast<const char*>(edge.put(std::string(4000, 'x'), false))}) {
      const Record record = pretended(8, number, memory, memory, memory, memory, memory, memory);
      ASSERT_LE(record.captured, Record::kMemory) << number;
      size_t bytes = 0;
      Pieces(record).each(
          [&](const PieceHeader& header, const Piece&) { bytes += sizeof header + header.length; });
      EXPECT_EQ(bytes, record.captured) << "pieces that do not add up in call " << number;
    }
  }
}

TEST(TraceCapture, AMessageWithAnAddress) {
  const uint16_t address[8] = {1, 'a'};
  iovec vectors[5] = {{const_cast<char*>("one"), 3}, {nullptr, 0}, {const_cast<char*>("three"), 5}, {}, {}};
  msghdr message{};
  message.msg_name = const_cast<uint16_t*>(address);
  message.msg_namelen = 4;
  message.msg_iov = vectors;
  message.msg_iovlen = 5;
  EXPECT_EQ(format_text(pretended(8, SYS_sendmsg, 3, &message, 0)),
            "sendmsg(3, {msg_name={sa_family=AF_UNIX, sun_path=\"a\"}, msg_namelen=4, "
            "msg_iov=[{iov_base=\"one\", iov_len=3}, "
            "{iov_base=NULL, iov_len=0}, {iov_base=\"three\", iov_len=5}, {iov_base=NULL, iov_len=0}, ...], "
            "msg_iovlen=5, "
            "msg_controllen=0, msg_flags=0}, 0) = 8");
}

}  // namespace
}  // namespace sandstone::observe
