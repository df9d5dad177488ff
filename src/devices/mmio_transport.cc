#include "devices/mmio_transport.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include <algorithm>
#include <utility>

namespace sandstone::devices {
namespace {

constexpr uint32_t kMagic = 0x74726976;   // "virt"
constexpr uint32_t kVendor = 0x53444e53;  // "SNDS"

constexpr uint32_t kAcknowledge = VIRTIO_CONFIG_S_ACKNOWLEDGE;
constexpr uint32_t kDriver = VIRTIO_CONFIG_S_DRIVER;
constexpr uint32_t kFeaturesOk = VIRTIO_CONFIG_S_FEATURES_OK;
constexpr uint32_t kDriverOk = VIRTIO_CONFIG_S_DRIVER_OK;
constexpr uint32_t kNeedsReset = VIRTIO_CONFIG_S_NEEDS_RESET;
constexpr uint32_t kFailed = VIRTIO_CONFIG_S_FAILED;

void set_low(uint64_t& address, uint32_t value) {
  address = (address & 0xffffffff00000000U) | value;
}
void set_high(uint64_t& address, uint32_t value) {
  address = (address & 0xffffffffU) | uint64_t{value} << 32;
}

}  // namespace

MmioTransport::MmioTransport(const GuestMemory& memory, Device& device, Callbacks callbacks)
    : memory_(memory),
      device_(device),
      callbacks_(std::move(callbacks)),
      queue_count_(static_cast<unsigned>(std::min<size_t>(device.queue_sizes().size(), kMaxQueues))),
      queues_(std::make_unique<Queue[]>(queue_count_)) {
  reset();
  device_.attach(this);
}

MmioTransport::~MmioTransport() {
  device_.attach(nullptr);
}

uint64_t MmioTransport::offered() const {
  return device_.features() | kVersion1 | kIndirect | kEventIndex;
}

const MmioTransport::Queue* MmioTransport::selected() const {
  return queue_select_ < queue_count_ ? &queues_[queue_select_] : nullptr;
}

std::optional<QueueFault> MmioTransport::fault() const {
  const std::lock_guard lock(mutex_);
  return fault_;
}

uint32_t MmioTransport::read(uint32_t offset, unsigned size) const {
  if (offset >= VIRTIO_MMIO_CONFIG) {
    std::array<std::byte, 4> bytes{};
    if ((size != 1 && size != 2 && size != 4) || offset >= kMmioBytes) return 0;
    device_.read_config(offset - VIRTIO_MMIO_CONFIG, std::span(bytes).first(size));
    return std::bit_cast<uint32_t>(bytes);
  }
  if (size != 4 || offset % 4 != 0) return 0;
  // What a driver reads while its device works takes no lock: an interrupt handler must not wait for a disk.
  switch (offset) {
    case VIRTIO_MMIO_MAGIC_VALUE:
      return kMagic;
    case VIRTIO_MMIO_VERSION:
      return 2;
    case VIRTIO_MMIO_DEVICE_ID:
      return device_.id();
    case VIRTIO_MMIO_VENDOR_ID:
      return kVendor;
    case VIRTIO_MMIO_INTERRUPT_STATUS:
      return interrupt_status_.load();
    case VIRTIO_MMIO_STATUS:
      return status_.load();
    case VIRTIO_MMIO_CONFIG_GENERATION:
      return generation_.load();
    case VIRTIO_MMIO_SHM_LEN_LOW:
    case VIRTIO_MMIO_SHM_LEN_HIGH:
    case VIRTIO_MMIO_SHM_BASE_LOW:
    case VIRTIO_MMIO_SHM_BASE_HIGH:
      return ~0U;  // 4.2.2.1: there is no such shared memory region
    default:
      break;
  }
  const std::lock_guard lock(mutex_);
  return read_locked(offset);
}

uint32_t MmioTransport::read_locked(uint32_t offset) const {
  const Queue* queue = selected();
  switch (offset) {
    case VIRTIO_MMIO_DEVICE_FEATURES:
      return device_features_select_ < 2 ? static_cast<uint32_t>(offered() >> (32 * device_features_select_))
                                         : 0;
    case VIRTIO_MMIO_QUEUE_NUM_MAX:
      return queue != nullptr ? queue->setup.max_size : 0;
    case VIRTIO_MMIO_QUEUE_READY:
      return queue != nullptr && queue->ring.running() ? 1 : 0;
    default:
      return 0;
  }
}

void MmioTransport::write(uint32_t offset, uint32_t value, unsigned size) {
  if (offset >= VIRTIO_MMIO_CONFIG) {
    if ((size != 1 && size != 2 && size != 4) || offset >= kMmioBytes) return;
    const auto bytes = std::bit_cast<std::array<std::byte, 4>>(value);
    device_.write_config(offset - VIRTIO_MMIO_CONFIG, std::span(bytes).first(size));
    return;
  }
  if (size != 4 || offset % 4 != 0) return;
  if (offset == VIRTIO_MMIO_QUEUE_NOTIFY) return wake(value);
  if (offset == VIRTIO_MMIO_INTERRUPT_ACK) {
    interrupt_status_.fetch_and(~value);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    write_locked(offset, value);
  }
  tell_broken();
  // What the driver offered before it was ready waits for no second notification.
  if (offset == VIRTIO_MMIO_STATUS && marked() && callbacks_.kick) callbacks_.kick();
}

void MmioTransport::write_locked(uint32_t offset, uint32_t value) {
  const uint32_t status = status_.load();
  switch (offset) {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
      device_features_select_ = value;
      return;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
      driver_features_select_ = value;
      return;
    case VIRTIO_MMIO_DRIVER_FEATURES:
      if ((status & kDriver) != 0 && (status & kFeaturesOk) == 0 && driver_features_select_ < 2)
        accepted_[driver_features_select_] = value;
      return;
    case VIRTIO_MMIO_QUEUE_SEL:
      queue_select_ = value;
      return;
    case VIRTIO_MMIO_STATUS:
      return write_status(value);
    default:
      return write_queue(offset, value);
  }
}

// 3.1.1: bits are only added, in order, and each means something only after those before it. What comes out
// of turn does not happen, which the driver sees when it reads the status back.
void MmioTransport::write_status(uint32_t value) {
  if (value == 0) return reset();
  uint32_t status = status_.load();
  const uint32_t added = value & ~status;
  if ((added & kAcknowledge) != 0) status |= kAcknowledge;
  if ((added & kDriver) != 0 && (status & kAcknowledge) != 0) status |= kDriver;
  if ((added & kFeaturesOk) != 0 && (status & kDriver) != 0) {
    const uint64_t features = accepted_[0] | uint64_t{accepted_[1]} << 32;
    if ((features & ~offered()) == 0 && (features & kVersion1) != 0) status |= kFeaturesOk;
  }
  const bool starts =
      (added & kDriverOk) != 0 && (status & kFeaturesOk) != 0 && (status & (kNeedsReset | kFailed)) == 0;
  if (starts) {
    status |= kDriverOk;
    device_.start(accepted_[0] | uint64_t{accepted_[1]} << 32);
    for (unsigned i = 0; i < queue_count_; ++i) marked_.fetch_or(uint64_t{1} << i);
  }
  if ((added & kFailed) != 0) status |= kFailed;
  status_.store(status);
}

void MmioTransport::write_queue(uint32_t offset, uint32_t value) {
  if (queue_select_ >= queue_count_) return;
  Queue& queue = queues_[queue_select_];
  if (offset == VIRTIO_MMIO_QUEUE_READY && value == 0) return queue.ring.stop();
  // A ring that is in use stays where it is, and none is set up before the features that it depends on.
  const uint32_t status = status_.load();
  if (queue.ring.running() || (status & kFeaturesOk) == 0 || (status & (kNeedsReset | kFailed)) != 0) return;
  switch (offset) {
    case VIRTIO_MMIO_QUEUE_NUM:
      queue.setup.size = value;
      return;
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
      return set_low(queue.setup.descriptors, value);
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
      return set_high(queue.setup.descriptors, value);
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
      return set_low(queue.setup.available, value);
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
      return set_high(queue.setup.available, value);
    case VIRTIO_MMIO_QUEUE_USED_LOW:
      return set_low(queue.setup.used, value);
    case VIRTIO_MMIO_QUEUE_USED_HIGH:
      return set_high(queue.setup.used, value);
    case VIRTIO_MMIO_QUEUE_READY:
      return start_queue(queue);
    default:
      return;
  }
}

void MmioTransport::start_queue(Queue& queue) {
  queue.setup.indirect = (accepted_[0] & kIndirect) != 0;
  queue.setup.event_index = (accepted_[0] & kEventIndex) != 0;
  if (!queue.ring.start(memory_, queue.setup)) break_device(queue_select_, *queue.ring.fault());
}

void MmioTransport::reset() {
  status_.store(0);
  for (unsigned i = 0; i < queue_count_; ++i) {
    queues_[i].ring.stop();
    queues_[i].setup = QueueSetup{.max_size = device_.queue_sizes()[i]};
  }
  device_.reset();
  accepted_ = {};
  device_features_select_ = driver_features_select_ = queue_select_ = 0;
  fault_.reset();
  told_ = false;
  marked_.store(0);
  interrupt_status_.store(0);
}

}  // namespace sandstone::devices
