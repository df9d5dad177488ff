#include "devices/virtqueue.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <limits>

namespace sandstone::devices {
namespace {

// The layout of the rings (virtio 1.2, 2.7.5 to 2.7.8).
constexpr uint32_t kDescriptorBytes = 16;
constexpr uint32_t kRingHeader = 4;  // flags and index, before the entries of either ring
constexpr uint32_t kIndexAt = 2;
constexpr uint32_t kAvailableEntry = 2;
constexpr uint32_t kUsedEntry = 8;
constexpr uint32_t kEventBytes = 2;  // after the entries

constexpr uint16_t kNext = 1;  // flags of a descriptor
constexpr uint16_t kWrite = 2;
constexpr uint16_t kIndirect = 4;
constexpr uint16_t kNoInterrupt = 1;  // flag of the available ring
constexpr uint16_t kNoNotify = 1;     // flag of the used ring

uint16_t wrapping(uint32_t value) {
  return static_cast<uint16_t>(value);
}

}  // namespace

bool Virtqueue::start(const GuestMemory& memory, const QueueSetup& setup) {
  stop();
  using Kind = QueueFault::Kind;
  const uint32_t size = setup.size;
  if (!std::has_single_bit(size) || size > setup.max_size || size > 32768)
    return fail(Kind::bad_size, size, setup.max_size), false;
  struct Ring {
    uint64_t address;
    uint32_t bytes;
    uint32_t alignment;
    std::byte* memory;
  };
  Ring rings[] = {{setup.descriptors, kDescriptorBytes * size, 16, nullptr},
                  {setup.available, kRingHeader + kAvailableEntry * size + kEventBytes, 2, nullptr},
                  {setup.used, kRingHeader + kUsedEntry * size + kEventBytes, 4, nullptr}};
  for (Ring& ring : rings) {
    if (ring.address % ring.alignment != 0)
      return fail(Kind::misaligned_ring, ring.address, ring.alignment), false;
    ring.memory = memory.at(ring.address, ring.bytes);
    if (ring.memory == nullptr) return fail(Kind::ring_outside_memory, ring.address, ring.bytes), false;
  }
  memory_ = memory;
  descriptors_ = rings[0].memory;
  available_ = rings[1].memory;
  used_ = rings[2].memory;
  size_ = size;
  max_size_ = setup.max_size;
  indirect_ = setup.indirect;
  event_index_ = setup.event_index;
  return true;
}

void Virtqueue::stop() {
  *this = Virtqueue();
}

Virtqueue::Pop Virtqueue::fail(QueueFault::Kind kind, uint64_t value, uint64_t limit) {
  if (!fault_) fault_ = QueueFault{kind, value, limit};
  return Pop::broken;
}

bool Virtqueue::available() const {
  return size_ != 0 && !fault_ && load<uint16_t>(available_ + kIndexAt, __ATOMIC_ACQUIRE) != next_available_;
}

Virtqueue::Pop Virtqueue::pop(Chain& chain) {
  if (fault_) return Pop::broken;
  if (size_ == 0) return Pop::empty;
  // Acquire: the entry and the descriptors are read after the index that offers them.
  const uint16_t offered = load<uint16_t>(available_ + kIndexAt, __ATOMIC_ACQUIRE);
  const uint16_t waiting = wrapping(offered - next_available_);
  if (waiting == 0) return Pop::empty;
  if (waiting > size_) return fail(QueueFault::Kind::available_too_far_ahead, waiting, size_);
  const uint32_t slot = next_available_ & (size_ - 1);
  const uint16_t head = load<uint16_t>(available_ + kRingHeader + size_t{kAvailableEntry} * slot);
  if (head >= size_) return fail(QueueFault::Kind::head_out_of_range, head, size_);
  if (const Pop walked = walk(chain, head); walked != Pop::chain) return walked;
  next_available_ = wrapping(next_available_ + 1U);
  ++moved_;
  return Pop::chain;
}

Virtqueue::Pop Virtqueue::pop_or_listen(Chain& chain) {
  const Pop popped = pop(chain);
  if (popped != Pop::empty || !listen()) return popped;
  silence();
  return pop(chain);
}

void Virtqueue::give_back() {
  next_available_ = wrapping(next_available_ - 1U);
  --moved_;
}

Virtqueue::Descriptor Virtqueue::read_descriptor(const std::byte* table, uint32_t index) {
  const std::byte* at = table + size_t{kDescriptorBytes} * index;
  // An indirect table may lie at any address: two unaligned loads into private memory.
  Descriptor descriptor;
  static_assert(sizeof descriptor == kDescriptorBytes);
  copy_in(&descriptor, at, sizeof descriptor);
  return descriptor;
}

Virtqueue::Pop Virtqueue::walk(Chain& chain, uint16_t head) {
  using Kind = QueueFault::Kind;
  chain.begin(head);
  const std::byte* table = descriptors_;
  uint32_t entries = size_;
  uint32_t limit = size_;  // one step more is a loop
  bool in_indirect = false;
  bool writing = false;
  uint64_t total = 0;
  uint32_t index = head;
  for (uint32_t steps = 1;; ++steps) {
    if (steps > limit) return fail(Kind::chain_too_long, steps, limit);
    const Descriptor descriptor = read_descriptor(table, index);
    if ((descriptor.flags & kIndirect) != 0) {
      if (!indirect_) return fail(Kind::indirect_not_negotiated, index);
      if (in_indirect) return fail(Kind::indirect_inside_indirect, index);  // would be recursion without end
      if ((descriptor.flags & kNext) != 0) return fail(Kind::indirect_with_next, index);
      if (descriptor.length == 0 || descriptor.length % kDescriptorBytes != 0)
        return fail(Kind::bad_indirect_length, descriptor.length, kDescriptorBytes);
      table = memory_.at(descriptor.address, descriptor.length);
      if (table == nullptr) return fail(Kind::indirect_outside_memory, descriptor.address, descriptor.length);
      entries = descriptor.length / kDescriptorBytes;
      // Linux offers indirect chains longer than a small ring, though never longer than the greatest one.
      limit = steps + max_size_;
      in_indirect = true;
      index = 0;
      continue;
    }
    std::byte* data = memory_.at(descriptor.address, descriptor.length);
    if (data == nullptr) return fail(Kind::buffer_outside_memory, descriptor.address, descriptor.length);
    const bool device_writes = (descriptor.flags & kWrite) != 0;
    if (writing && !device_writes) return fail(Kind::readable_after_writable, index);
    writing = device_writes;
    total += descriptor.length;
    if (total > std::numeric_limits<uint32_t>::max()) return fail(Kind::chain_too_large, total, UINT32_MAX);
    chain.add(data, descriptor.length, device_writes);
    if ((descriptor.flags & kNext) == 0) return Pop::chain;
    index = descriptor.next;
    if (index >= entries) return fail(Kind::next_out_of_range, index, entries);
  }
}

void Virtqueue::push(const Chain& chain, uint32_t written) {
  if (size_ == 0 || fault_) return;
  std::byte* entry = used_ + kRingHeader + size_t{kUsedEntry} * (next_used_ & (size_ - 1));
  store<uint32_t>(entry, chain.head());
  store<uint32_t>(entry + 4, written);
  next_used_ = wrapping(next_used_ + 1U);
  store<uint16_t>(used_ + kIndexAt, next_used_, __ATOMIC_RELEASE);  // after the entry and the data
  ++moved_;
}

bool Virtqueue::interrupt_due() {
  if (size_ == 0 || next_used_ == signalled_used_) return false;
  // The driver says what it wants and then looks at the used index; we write that index and then look at what
  // it wants. Only a full fence keeps both from seeing the old state, and the last interrupt from being lost.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const uint16_t before = signalled_used_;
  signalled_used_ = next_used_;
  if (!event_index_) return (load<uint16_t>(available_) & kNoInterrupt) == 0;
  const uint16_t event = load<uint16_t>(available_ + kRingHeader + size_t{kAvailableEntry} * size_);
  return wrapping(next_used_ - event - 1U) <
         wrapping(next_used_ - before);  // 2.7.10: has `event` been passed?
}

void Virtqueue::silence() {
  // With event indices nothing is to be done: the driver notifies when it passes the index that listen()
  // wrote.
  if (size_ != 0 && !event_index_) store<uint16_t>(used_, kNoNotify);
}

bool Virtqueue::listen() {
  if (size_ == 0) return false;
  if (event_index_)
    store<uint16_t>(used_ + kRingHeader + size_t{kUsedEntry} * size_, next_available_);
  else
    store<uint16_t>(used_, 0);
  // As in interrupt_due(): ask for notifications first, then look whether something came before we had asked.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return available();
}

}  // namespace sandstone::devices
