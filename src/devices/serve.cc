// The half of MmioTransport that does the work.
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include <atomic>

#include "devices/mmio_transport.h"

namespace sandstone::devices {
namespace {

// Passes over the queues before serve() lets its thread go: a driver that adds as fast as it is served, on
// another CPU, does not keep it.
constexpr int kPasses = 16;

constexpr uint32_t kLive = VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED;

}  // namespace

void MmioTransport::wake(unsigned queue) {
  if (queue >= queue_count_) return;  // the driver's word
  marked_.fetch_or(uint64_t{1} << queue);
  if (callbacks_.kick) callbacks_.kick();
}

void MmioTransport::configuration_changed() {
  generation_.fetch_add(1);
  if ((status_.load() & VIRTIO_CONFIG_S_DRIVER_OK) != 0) raise(VIRTIO_MMIO_INT_CONFIG);
}

void MmioTransport::raise(uint32_t reason) {
  interrupt_status_.fetch_or(reason);
  if (callbacks_.interrupt) callbacks_.interrupt();
}

bool MmioTransport::serve() {
  std::unique_lock serving(serving_);
  return serve_with(serving);
}

bool MmioTransport::try_serve() {
  std::unique_lock serving(serving_, std::try_to_lock);
  return serving.owns_lock() && serve_with(serving);
}

bool MmioTransport::serve_with(std::unique_lock<std::mutex>& serving) {
  bool any = false;
  for (int i = 0; i < kPasses; ++i) {
    Round round;
    {
      const std::lock_guard lock(mutex_);
      round = pass();
    }
    any = any || round.progress;
    serving.unlock();
    if (round.interrupt) raise(VIRTIO_MMIO_INT_VRING);
    if (round.broken) tell_broken();
    // Whoever marked a queue and then failed in try_serve() relies on this look after the lock was let go.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!marked() || !serving.try_lock()) return any;
  }
  serving.unlock();
  if (callbacks_.kick) callbacks_.kick();
  return any;
}

MmioTransport::Round MmioTransport::pass() {
  Round round;
  const uint64_t marks = marked_.exchange(0);
  if ((status_.load() & kLive) != VIRTIO_CONFIG_S_DRIVER_OK) return round;
  uint64_t again = 0;
  for (unsigned i = 0; i < queue_count_; ++i) {
    Virtqueue& ring = queues_[i].ring;
    const uint64_t bit = uint64_t{1} << i;
    // Also what nobody marked: an owner whose guest kicks by an eventfd of its own just calls serve().
    if (!ring.running() || ((marks & bit) == 0 && !ring.available())) continue;
    const uint64_t before = ring.moved();
    const bool more = device_.process(i, ring);
    round.progress = round.progress || ring.moved() != before;
    if (ring.fault()) {
      break_device(i, *ring.fault());
      round.broken = true;
      break;
    }
    if (more) again |= bit;
    if (ring.interrupt_due()) round.interrupt = true;
  }
  if (again != 0) marked_.fetch_or(again);
  return round;
}

void MmioTransport::break_device(unsigned queue, const QueueFault& fault) {
  if (fault_) return;
  fault_ = fault;
  faulty_queue_ = queue;
  status_.fetch_or(VIRTIO_CONFIG_S_NEEDS_RESET);
}

// Once for each fault, with nothing locked.
void MmioTransport::tell_broken() {
  QueueFault fault{};
  unsigned queue = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!fault_ || told_) return;
    told_ = true;
    fault = *fault_;
    queue = faulty_queue_;
  }
  if (callbacks_.broken) callbacks_.broken(queue, fault);
  configuration_changed();  // 2.1.2: how a driver that is up learns that its device needs a reset
}

}  // namespace sandstone::devices
