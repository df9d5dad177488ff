// MmioTransport: the register block of one device (virtio 1.2, section 4.2, version 2), and the state machine
// behind it.
//
//   MmioTransport transport(memory, disk, {.interrupt = ..., .kick = ..., .broken = ...});
//   ... transport.read(offset, 4), transport.write(offset, value, 4)    for each access of the guest
//   ... transport.serve()                                               after each kick
//
// DeviceThread is one with a thread that serves.
//
// Every member but the destructor may be called from any thread. A write never does the work of a queue: it
// marks the queue and kicks, and whoever calls serve() then does it. Only a reset waits, until serve() lets
// go of the guest's memory.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "devices/device.h"
#include "devices/guest_memory.h"
#include "devices/virtqueue.h"

namespace sandstone::devices {

constexpr uint32_t kMmioBytes = 0x200;  // of address space that a device takes: registers and configuration

class MmioTransport final : private Device::Host {
 public:
  struct Callbacks {
    // The device wants the driver's attention: interrupt_status() is not zero. Called with nothing locked, so
    // it may run the driver at once, which may access these registers.
    std::function<void()> interrupt;
    // serve() should be called soon: wake whoever does, and do not call it here. Called from write(), and
    // from a device that has news for the driver.
    std::function<void()> kick;
    // The driver has broken its device: it gets no more until it resets it. For the log.
    std::function<void(unsigned queue, const QueueFault&)> broken;
  };

  // The driver's features, of those below, that the transport itself offers for every device.
  static constexpr uint64_t kVersion1 = uint64_t{1} << 32;
  static constexpr uint64_t kIndirect = uint64_t{1} << 28;
  static constexpr uint64_t kEventIndex = uint64_t{1} << 29;
  static constexpr unsigned kMaxQueues = 64;

  // `device` outlives the transport, and has no other one. Neither throws nor fails.
  MmioTransport(const GuestMemory& memory, Device& device, Callbacks callbacks);
  ~MmioTransport();
  MmioTransport(const MmioTransport&) = delete;
  MmioTransport& operator=(const MmioTransport&) = delete;

  // An access of `size` bytes at `offset` below kMmioBytes. One that the specification does not have (another
  // size, an unaligned or unknown register, at a wrong time) reads zero and writes nothing.
  [[nodiscard]] uint32_t read(uint32_t offset, unsigned size) const;
  void write(uint32_t offset, uint32_t value, unsigned size);

  // Does what waits in all queues, in this thread. Returns whether anything was done. Bounded: if the driver
  // adds as fast as it is served, it kicks and returns.
  bool serve();
  // The same, but false at once if another thread is at it, which then does whatever is marked, too.
  bool try_serve();

  [[nodiscard]] bool marked() const { return marked_.load() != 0; }  // serve() has something to do
  [[nodiscard]] uint32_t interrupt_status() const { return interrupt_status_.load(); }
  [[nodiscard]] std::optional<QueueFault> fault() const;  // why the device needs a reset, if it does

 private:
  struct Queue {
    QueueSetup setup;
    Virtqueue ring;
  };
  struct Round {  // what one pass over the queues has found
    bool progress = false;
    bool interrupt = false;
    bool broken = false;
  };

  void wake(unsigned queue) override;
  void configuration_changed() override;

  bool serve_with(std::unique_lock<std::mutex>& serving);
  Round pass();
  void raise(uint32_t reason);
  void break_device(unsigned queue, const QueueFault& fault);
  void tell_broken();

  [[nodiscard]] uint64_t offered() const;
  [[nodiscard]] uint32_t read_locked(uint32_t offset) const;
  void write_locked(uint32_t offset, uint32_t value);
  void write_status(uint32_t value);
  void write_queue(uint32_t offset, uint32_t value);
  void start_queue(Queue& queue);
  void reset();
  [[nodiscard]] const Queue* selected() const;

  const GuestMemory memory_;
  Device& device_;
  const Callbacks callbacks_;
  const unsigned queue_count_;

  std::atomic<uint64_t> marked_{0};
  std::atomic<uint32_t> status_{0};
  std::atomic<uint32_t> interrupt_status_{0};
  std::atomic<uint32_t> generation_{0};

  std::mutex serving_;        // who has it does the queues' work; taken before mutex_
  mutable std::mutex mutex_;  // guards all below, and the device's process(), start() and reset()
  std::unique_ptr<Queue[]> queues_;
  std::array<uint32_t, 2> accepted_{};  // the driver's features
  uint32_t device_features_select_ = 0;
  uint32_t driver_features_select_ = 0;
  uint32_t queue_select_ = 0;
  unsigned faulty_queue_ = 0;
  std::optional<QueueFault> fault_;
  bool told_ = false;
};

}  // namespace sandstone::devices
