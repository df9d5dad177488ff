// Virtqueue: the device's end of a split virtqueue (virtio 1.2, section 2.7).
//
// Everything in the rings is the driver's, who may be hostile and write while we read. So each field is read
// once; the device's own position is kept here and never read back; and a driver that does what only a
// malicious one does gets a QueueFault: the queue then hands out nothing until it is started again.
//
// One thread at a time may use a queue.
#pragma once

#include <cstdint>
#include <optional>

#include "devices/chain.h"
#include "devices/guest_memory.h"
#include "devices/queue_fault.h"

namespace sandstone::devices {

struct QueueSetup {
  uint32_t size = 0;  // a power of two, at most max_size
  uint32_t max_size = 256;
  uint64_t descriptors = 0;  // guest physical addresses
  uint64_t available = 0;
  uint64_t used = 0;
  bool indirect = false;     // VIRTIO_RING_F_INDIRECT_DESC
  bool event_index = false;  // VIRTIO_RING_F_EVENT_IDX
};

class Virtqueue {
 public:
  enum class Pop : uint8_t { chain, empty, broken };

  // Starts at index 0 if the rings are sound; else the queue stays stopped and fault() says why.
  bool start(const GuestMemory& memory, const QueueSetup& setup);
  void stop();
  [[nodiscard]] bool running() const { return size_ != 0; }
  [[nodiscard]] uint32_t size() const { return size_; }

  // Whether pop() would return something other than `empty`.
  [[nodiscard]] bool available() const;
  Pop pop(Chain& chain);
  // pop(), and where nothing is left, asks for a notification and looks once more.
  Pop pop_or_listen(Chain& chain);
  void give_back();  // undoes the last pop(), before any push()
  // Gives `chain` back to the driver, who may read the first `written` bytes of its writable side.
  void push(const Chain& chain, uint32_t written);

  // Whether the driver wants an interrupt for what has been pushed since the last call. Ask at least every
  // 32768 pushes: the indices wrap around.
  [[nodiscard]] bool interrupt_due();

  void silence();               // no notification is needed for now
  [[nodiscard]] bool listen();  // they are again; true: something came in between, so look once more

  // Breaks the queue: also for a device that finds a request which can only be malicious.
  Pop fail(QueueFault::Kind kind, uint64_t value, uint64_t limit = 0);
  [[nodiscard]] const std::optional<QueueFault>& fault() const { return fault_; }

  // Chains popped or pushed since start(), to tell whether work was done.
  [[nodiscard]] uint64_t moved() const { return moved_; }

 private:
  struct Descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
  };
  static Descriptor read_descriptor(const std::byte* table, uint32_t index);
  Pop walk(Chain& chain, uint16_t head);

  GuestMemory memory_;
  std::byte* descriptors_ = nullptr;
  std::byte* available_ = nullptr;
  std::byte* used_ = nullptr;
  uint32_t size_ = 0;
  uint32_t max_size_ = 0;
  bool indirect_ = false;
  bool event_index_ = false;
  uint16_t next_available_ = 0;  // the index of the next chain to pop
  uint16_t next_used_ = 0;       // the index of the next one to push
  uint16_t signalled_used_ = 0;  // next_used_ when interrupt_due() was last asked
  uint64_t moved_ = 0;
  std::optional<QueueFault> fault_;
};

// Pops and handles chains until none is left or `budget` are done; `handle(chain)` returns how many bytes it
// wrote. True: the budget is spent, come again. The budget stops a driver that adds as fast as we take from
// holding the thread for ever.
template <typename Handle>
bool drain(Virtqueue& queue, Chain& chain, unsigned budget, Handle&& handle) {
  queue.silence();
  for (; budget > 0; --budget) {
    if (queue.pop_or_listen(chain) != Virtqueue::Pop::chain) return false;
    const uint32_t written = handle(chain);
    if (queue.fault()) return false;
    queue.push(chain, written);
  }
  return true;
}

}  // namespace sandstone::devices
