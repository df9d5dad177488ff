#include "engine/streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "engine/sink.h"

namespace sandstone::engine {
namespace {

Result<Fd> open_null() {
  Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.valid()) return system_error("/dev/null", "cannot open", errno);
  return null;
}

Fd copy_of(int fd) {
  return Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

// `relayed` is where a relay for Stream::inherit goes.
Result<Fd> connect_output(Stream to, int inherited, bool counted, std::vector<Relay>& relayed,
                          Fd& callers_end) {
  if (to == Stream::null) return open_null();
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  if (to == Stream::pipe && counted) {
    auto second = make_pipe();
    if (!second) return second.error();
    ::fcntl(second->write.get(), F_SETPIPE_SZ, 1 << 20);  // a caller may wait for the end before it reads
    ::fcntl(second->write.get(), F_SETFL, O_NONBLOCK);
    callers_end = std::move(second->read);
    relayed.emplace_back(std::move(pipe->read), std::move(second->write));
  } else if (to == Stream::pipe) {
    callers_end = std::move(pipe->read);
  } else {
    Fd target = copy_of(inherited);
    if (!target.valid()) return open_null();  // the caller closed it
    relayed.emplace_back(std::move(pipe->read), std::move(target));
  }
  return std::move(pipe->write);
}

}  // namespace

Result<Connected> connect_streams(const Streams& streams, bool counted) {
  Connected connected;
  Fd source;
  if (streams.stdin_from == Stream::inherit) source = reopen_nonblocking(STDIN_FILENO, O_RDONLY);
  if (streams.stdin_from == Stream::inherit && !source.valid()) source = copy_of(STDIN_FILENO);
  if (streams.stdin_from == Stream::null || (streams.stdin_from == Stream::inherit && !source.valid())) {
    auto null = open_null();
    if (!null) return null.error();
    connected.ports.in = std::move(*null);
  } else {
    auto pipe = make_pipe();
    if (!pipe) return pipe.error();
    connected.ports.in = std::move(pipe->read);
    if (streams.stdin_from == Stream::pipe) {
      connected.stdin_end = std::move(pipe->write);
    } else {
      ::fcntl(pipe->write.get(), F_SETFL, O_NONBLOCK);
      connected.input.emplace(std::move(source), std::move(pipe->write));
    }
  }
  auto out =
      connect_output(streams.stdout_to, STDOUT_FILENO, counted, connected.outputs, connected.stdout_end);
  if (!out) return out.error();
  connected.ports.out = std::move(*out);
  // Where the caller sees one stream, the workload gets one, which keeps the order; two pipes have none to
  // each other.
  if (streams.stdout_to == Stream::inherit && streams.stderr_to == Stream::inherit &&
      same_output(STDOUT_FILENO, STDERR_FILENO)) {
    connected.ports.err = connected.ports.out.duplicate();
    if (!connected.ports.err.valid())
      return system_error("stderr", "cannot duplicate a descriptor", errno, "raise ulimit -n");
    return connected;
  }
  auto err =
      connect_output(streams.stderr_to, STDERR_FILENO, counted, connected.outputs, connected.stderr_end);
  if (!err) return err.error();
  connected.ports.err = std::move(*err);
  return connected;
}

}  // namespace sandstone::engine
