// Fd: the one owner of a file descriptor.
#pragma once

#include <sandstone/result.h>

#include <string>
#include <string_view>
#include <utility>

namespace sandstone {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset();
  [[nodiscard]] Fd duplicate() const;  // close-on-exec; invalid if the limit is reached

 private:
  int fd_ = -1;
};

struct Pipe {
  Fd read;
  Fd write;
};

// All close-on-exec.
Result<Pipe> make_pipe();
Result<std::pair<Fd, Fd>> make_socket_pair(int type);  // AF_UNIX, SOCK_SEQPACKET or SOCK_STREAM

// The error of a failed system call: "where: what: strerror".
Error system_error(std::string where, std::string_view what, int err, std::string remedy = {});

Result<std::string> read_file(const std::string& path, size_t limit = 1 << 20);
Result<void> write_file(const std::string& path, std::string_view content);  // an existing file, one write(2)

}  // namespace sandstone
