// Sink: where a relay writes, without ever waiting there. The caller's descriptor cannot be made
// non-blocking, since the flag belongs to all who share it; so what may block is opened anew, as a
// description of our own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/fd.h"

namespace sandstone::engine {

// A description of our own of the terminal, or for writing the pipe or fifo, behind `fd`, non-blocking;
// invalid if there is none to be had: of a file or socket, or of somebody else's pipe. `access` is O_RDONLY
// or O_WRONLY.
Fd reopen_nonblocking(int fd, int access);

// Whether both lead to one place with one position, so that what is written to either keeps its order.
bool same_output(int a, int b);

class Sink {
 public:
  explicit Sink(Fd fd) : fd_(std::move(fd)) {}

  [[nodiscard]] int get() const { return fd_.get(); }
  void reset() { fd_.reset(); }

  // As write(2), but for waiting: what there is no room for now is left, and if there is none at all it says
  // EAGAIN. After poll(2) has found room.
  [[nodiscard]] long write(const char* data, size_t size);

 private:
  enum class Way : uint8_t { unknown, plain, socket, nonblocking, in_pieces };
  void choose();

  Fd fd_;
  Way way_ = Way::unknown;  // chosen at the first byte: most runs of a thousand print nothing
};

}  // namespace sandstone::engine
