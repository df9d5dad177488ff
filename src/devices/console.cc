#include "devices/console.h"

#include <linux/virtio_ids.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sandstone::devices {
namespace {

constexpr unsigned kReceive = 0;  // of the queues: 5.3.2
constexpr unsigned kSend = 1;
constexpr std::array<uint16_t, 2> kQueues{Console::kQueueSize, Console::kQueueSize};
constexpr unsigned kChainsAtOnce = 64;
constexpr unsigned kPiecesAtOnce = 256;  // of bytes_, so 1 MiB
constexpr size_t kInputBytes = 64 << 10;

}  // namespace

Console::Output Console::to_fd(int fd) {
  return [fd](std::span<const std::byte> bytes) -> size_t {
    // The description may be shared with others, so it is not made non-blocking: a pipe or terminal that
    // poll(2) calls writable takes PIPE_BUF bytes without waiting (pipe(7)).
    size_t done = 0;
    while (done < bytes.size()) {
      pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
      if (::poll(&ready, 1, 0) <= 0) return done;
      const ssize_t put = ::write(fd, bytes.data() + done, std::min<size_t>(bytes.size() - done, 4096));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0 && errno == EAGAIN) return done;
      if (put <= 0) return bytes.size();
      done += static_cast<size_t>(put);
    }
    return done;
  };
}

Console::Console(Output output) : output_(std::move(output)), input_(kInputBytes) {}

uint32_t Console::id() const {
  return VIRTIO_ID_CONSOLE;
}
uint64_t Console::features() const {
  return uint64_t{1} << VIRTIO_CONSOLE_F_SIZE;
}
std::span<const uint16_t> Console::queue_sizes() const {
  return kQueues;
}

void Console::read_config(uint32_t offset, std::span<std::byte> out) const {
  virtio_console_config config{};
  const uint32_t size = size_.load();
  config.cols = static_cast<uint16_t>(size);
  config.rows = static_cast<uint16_t>(size >> 16);
  config.max_nr_ports = 1;
  copy_config(std::as_bytes(std::span(&config, 1)), offset, out);
}

void Console::resize(uint16_t columns, uint16_t rows) {
  size_.store(columns | uint32_t{rows} << 16);
  configuration_changed();
}

size_t Console::input(std::span<const std::byte> bytes) {
  size_t taken = 0;
  {
    const std::lock_guard lock(input_mutex_);
    taken = input_.put(bytes);
  }
  if (taken > 0) wake(kReceive);
  return taken;
}

void Console::output_ready() {
  waits_ = false;
  wake(kSend);
}

void Console::reset() {
  // What the guest has said is said: bytes_ stays. What was typed for the old guest is not for the new one.
  sending_ = false;
  waits_ = false;
  const std::lock_guard lock(input_mutex_);
  input_.clear();
}

bool Console::process(unsigned index, Virtqueue& queue) {
  return index == kReceive ? receive(queue) : send(queue);
}

// Whether bytes_ is empty now.
bool Console::drain_bytes() {
  if (begin_ < end_)
    begin_ += std::min(output_(std::span(bytes_).subspan(begin_, end_ - begin_)), end_ - begin_);
  return begin_ == end_;
}

bool Console::send(Virtqueue& queue) {
  if (waits_) return false;
  queue.silence();
  for (unsigned i = 0; i < kPiecesAtOnce; ++i) {
    if (!drain_bytes()) {
      waits_ = true;
      return false;
    }
    if (!sending_) {
      if (queue.pop_or_listen(chain_out_) != Virtqueue::Pop::chain) return false;
      sending_ = true;
    }
    begin_ = 0;
    end_ = chain_out_.read(bytes_);
    if (chain_out_.readable_bytes() == 0) {
      // Taken over in full, so the driver may have its buffer back before the bytes are out.
      queue.push(chain_out_, 0);
      sending_ = false;
    }
  }
  return true;
}

bool Console::receive(Virtqueue& queue) {
  queue.silence();
  for (unsigned i = 0; i < kChainsAtOnce; ++i) {
    {
      const std::lock_guard lock(input_mutex_);
      if (input_.size() == 0) return false;
    }
    if (queue.pop_or_listen(chain_in_) != Virtqueue::Pop::chain) return false;
    uint32_t written = 0;
    {
      const std::lock_guard lock(input_mutex_);
      input_.take(chain_in_.writable_bytes(), [&](std::span<const std::byte> part) {
        written += static_cast<uint32_t>(chain_in_.write(part));
      });
    }
    queue.push(chain_in_, written);
  }
  return true;
}

}  // namespace sandstone::devices
