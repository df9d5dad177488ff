// DriverModel: the driver's half of virtio for tests: rings in a plain buffer, the device through its
// registers.
//
// It plays by the rules, and hands out addresses of its structures to tests that do not.
#pragma once

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include <atomic>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "devices/guest_memory.h"
#include "devices/mmio_transport.h"

namespace sandstone::devices {

// Page-aligned, and exactly as long as it says, so that AddressSanitizer sees a step outside.
class TestMemory {
 public:
  explicit TestMemory(size_t size)
      : size_(size), bytes_(static_cast<std::byte*>(std::aligned_alloc(4096, size)), &std::free) {
    std::memset(bytes_.get(), 0, size);
  }
  [[nodiscard]] GuestMemory guest() const { return {bytes_.get(), size_}; }
  [[nodiscard]] std::byte* at(uint64_t address) const { return bytes_.get() + address; }
  [[nodiscard]] size_t size() const { return size_; }

 private:
  size_t size_;
  std::unique_ptr<std::byte, decltype(&std::free)> bytes_;
};

class DriverModel {
 public:
  struct Buffer {
    uint64_t address = 0;
    uint32_t length = 0;
    bool device_writes = false;
  };
  struct Used {
    uint32_t id = 0;
    uint32_t written = 0;
  };
  struct Queue {
    unsigned number = 0;
    uint16_t size = 0;
    uint64_t descriptors = 0;
    uint64_t available = 0;
    uint64_t used = 0;
    uint16_t next_available = 0;
    uint16_t kicked_available = 0;
    uint16_t next_used = 0;
    std::vector<uint16_t> free;             // descriptors
    std::vector<std::vector<uint16_t>> of;  // those of each head
  };

  DriverModel(const TestMemory& memory, MmioTransport& transport, uint64_t first_free = 0)
      : memory_(memory), transport_(transport), next_(first_free) {}

  // Resets, and negotiates VERSION_1 with what is both wanted and offered. Returns what was agreed on, or
  // nothing.
  std::optional<uint64_t> negotiate(uint64_t wanted = 0) {
    set(VIRTIO_MMIO_STATUS, 0);
    queues_.clear();
    set(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    set(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    uint64_t agreed = 0;
    for (uint32_t half : {0U, 1U}) {
      set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, half);
      agreed |= uint64_t{get(VIRTIO_MMIO_DEVICE_FEATURES)} << (32 * half);
    }
    agreed &= wanted | MmioTransport::kVersion1;
    for (uint32_t half : {0U, 1U}) {
      set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
      set(VIRTIO_MMIO_DRIVER_FEATURES, static_cast<uint32_t>(agreed >> (32 * half)));
    }
    constexpr uint32_t kAgreed =
        VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK;
    set(VIRTIO_MMIO_STATUS, kAgreed);
    event_index_ = (agreed & MmioTransport::kEventIndex) != 0;
    if (get(VIRTIO_MMIO_STATUS) != kAgreed) return std::nullopt;
    return agreed;
  }

  Queue& add_queue(unsigned number, uint16_t size) {
    Queue queue{.number = number, .size = size};
    queue.descriptors = allocate(uint64_t{16} * size, 16);
    queue.available = allocate(6U + 2U * size, 2);
    queue.used = allocate(6U + 8U * size, 4);
    queue.of.resize(size);
    for (uint16_t i = size; i > 0; --i) queue.free.push_back(static_cast<uint16_t>(i - 1));
    for (const auto& [address, length] :
         {std::pair{queue.available, 6U + 2U * size}, {queue.used, 6U + 8U * size}})
      std::memset(memory_.at(address), 0, length);
    set_up(number, size, queue.descriptors, queue.available, queue.used);
    queues_.push_back(std::make_unique<Queue>(std::move(queue)));
    return *queues_.back();
  }

  void set_up(unsigned number, uint32_t size, uint64_t descriptors, uint64_t available, uint64_t used) {
    set(VIRTIO_MMIO_QUEUE_SEL, number);
    set(VIRTIO_MMIO_QUEUE_NUM, size);
    set_address(VIRTIO_MMIO_QUEUE_DESC_LOW, descriptors);
    set_address(VIRTIO_MMIO_QUEUE_AVAIL_LOW, available);
    set_address(VIRTIO_MMIO_QUEUE_USED_LOW, used);
    set(VIRTIO_MMIO_QUEUE_READY, 1);
  }

  void start() { set(VIRTIO_MMIO_STATUS, get(VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK); }

  // Offers a chain; nothing is notified yet. With `indirect`, through a table in fresh memory.
  uint16_t offer(Queue& queue, std::span<const Buffer> buffers, bool indirect = false) {
    std::vector<uint16_t> mine(indirect ? 1 : buffers.size());
    for (uint16_t& index : mine) {
      index = queue.free.back();
      queue.free.pop_back();
    }
    if (indirect) {
      const uint64_t table = allocate(16 * buffers.size(), 16);
      for (size_t i = 0; i < buffers.size(); ++i)
        write_descriptor(table, static_cast<uint16_t>(i), buffers[i], i + 1 < buffers.size(),
                         static_cast<uint16_t>(i + 1));
      descriptor(queue.descriptors, mine[0], table, static_cast<uint32_t>(16 * buffers.size()), 4, 0);
    } else {
      for (size_t i = 0; i < buffers.size(); ++i)
        write_descriptor(queue.descriptors, mine[i], buffers[i], i + 1 < mine.size(),
                         i + 1 < mine.size() ? mine[i + 1] : 0);
    }
    const uint16_t head = mine[0];
    queue.of[head] = std::move(mine);
    offer_head(queue, head);
    return head;
  }
  uint16_t offer(Queue& queue, std::initializer_list<Buffer> buffers, bool indirect = false) {
    return offer(queue, std::span(buffers.begin(), buffers.size()), indirect);
  }

  void offer_head(Queue& queue, uint16_t head) {
    store<uint16_t>(memory_.at(queue.available + 4 + uint64_t{2} * (queue.next_available % queue.size)),
                    head);
    ++queue.next_available;
    store<uint16_t>(memory_.at(queue.available + 2), queue.next_available, __ATOMIC_RELEASE);
  }

  // Notifies if the device asks for it; returns whether it did.
  bool kick(Queue& queue) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    bool wanted = (load<uint16_t>(memory_.at(queue.used)) & 1) == 0;
    if (event_index_) {
      const uint16_t event = load<uint16_t>(memory_.at(queue.used + 4 + uint64_t{8} * queue.size));
      wanted = static_cast<uint16_t>(queue.next_available - event - 1) <
               static_cast<uint16_t>(queue.next_available - queue.kicked_available);
    }
    queue.kicked_available = queue.next_available;
    if (wanted) set(VIRTIO_MMIO_QUEUE_NOTIFY, queue.number);
    return wanted;
  }

  std::optional<Used> take(Queue& queue) {
    if (load<uint16_t>(memory_.at(queue.used + 2), __ATOMIC_ACQUIRE) == queue.next_used) return std::nullopt;
    const std::byte* entry = memory_.at(queue.used + 4 + uint64_t{8} * (queue.next_used % queue.size));
    const Used used{load<uint32_t>(entry), load<uint32_t>(entry + 4)};
    ++queue.next_used;
    if (used.id < queue.size) {
      for (const uint16_t index : queue.of[used.id]) queue.free.push_back(index);
      queue.of[used.id].clear();
    }
    return used;
  }

  // Interrupt when the used index passes `index` (event indices), or ever again at all (without them).
  void want_interrupt_after(Queue& queue, uint16_t index) {
    store<uint16_t>(memory_.at(queue.available + 4 + uint64_t{2} * queue.size), index);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  void want_interrupts(Queue& queue, bool wanted) {
    store<uint16_t>(memory_.at(queue.available), wanted ? 0 : 1);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }

  void descriptor(uint64_t table, uint16_t index, uint64_t address, uint32_t length, uint16_t flags,
                  uint16_t next) {
    std::byte* at = memory_.at(table + uint64_t{16} * index);
    store(at, address);
    store(at + 8, length);
    store(at + 12, flags);
    store(at + 14, next);
  }

  uint64_t allocate(size_t bytes, uint64_t alignment) {
    next_ = (next_ + alignment - 1) / alignment * alignment;
    const uint64_t address = next_;
    next_ += bytes;
    if (next_ > memory_.size()) std::abort();  // a test that needs more memory
    return address;
  }
  void free_down_to(uint64_t address) { next_ = address; }
  [[nodiscard]] uint64_t top() const { return next_; }

  [[nodiscard]] uint32_t get(uint32_t offset) const { return transport_.read(offset, 4); }
  void set(uint32_t offset, uint32_t value) { transport_.write(offset, value, 4); }
  void set_address(uint32_t low, uint64_t address) {
    set(low, static_cast<uint32_t>(address));
    set(low + 4, static_cast<uint32_t>(address >> 32));
  }

 private:
  void write_descriptor(uint64_t table, uint16_t index, const Buffer& buffer, bool more, uint16_t next) {
    const unsigned flags = (more ? 1U : 0U) | (buffer.device_writes ? 2U : 0U);
    descriptor(table, index, buffer.address, buffer.length, static_cast<uint16_t>(flags), next);
  }

  const TestMemory& memory_;
  MmioTransport& transport_;
  uint64_t next_;
  bool event_index_ = false;
  std::vector<std::unique_ptr<Queue>> queues_;
};

}  // namespace sandstone::devices
