#include "base/fd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sandstone {

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Fd Fd::duplicate() const {
  return Fd(::fcntl(fd_, F_DUPFD_CLOEXEC, 3));
}

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return system_error("pipe", "cannot create a pipe", errno);
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

Result<std::pair<Fd, Fd>> make_socket_pair(int type) {
  int ends[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0)
    return system_error("socketpair", "cannot create a socket pair", errno);
  return std::pair<Fd, Fd>{Fd(ends[0]), Fd(ends[1])};
}

Error system_error(std::string where, std::string_view what, int err, std::string remedy) {
  return Error{std::move(where), fmt::format("{}: {}", what, std::strerror(err)), std::move(remedy)};
}

Result<std::string> read_file(const std::string& path, size_t limit) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return system_error(path, "cannot open", errno);
  std::string content;
  char block[16384];
  for (;;) {
    const ssize_t got = ::read(file.get(), block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(path, "cannot read", errno);
    if (got == 0) return content;
    content.append(block, static_cast<size_t>(got));
    if (content.size() > limit) return Error{path, fmt::format("larger than {} bytes", limit), {}};
  }
}

Result<void> write_file(const std::string& path, std::string_view content) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return system_error(path, "cannot open for writing", errno);
  const ssize_t put = ::write(file.get(), content.data(), content.size());
  if (put < 0) return system_error(path, "cannot write", errno);
  if (static_cast<size_t>(put) != content.size()) return Error{path, "short write", {}};
  return {};
}

}  // namespace sandstone
