// DeviceThread: a transport whose queues are served by a thread of its own.
#pragma once

#include <sandstone/result.h>

#include <functional>
#include <utility>

#include "devices/mmio_transport.h"
#include "devices/worker.h"

namespace sandstone::devices {

class DeviceThread {
 public:
  using Interrupt = std::function<void()>;
  using Broken = std::function<void(unsigned queue, const QueueFault&)>;

  // As of MmioTransport: `device` outlives this, and the callbacks come from any thread.
  DeviceThread(const GuestMemory& memory, Device& device, Interrupt interrupt, Broken broken = {})
      : transport_(memory, device,
                   {.interrupt = std::move(interrupt),
                    .kick = [this] { worker_.kick(); },
                    .broken = std::move(broken)}) {}
  DeviceThread(const DeviceThread&) = delete;
  DeviceThread& operator=(const DeviceThread&) = delete;
  // The thread ends before what it works on. Whoever calls deliver(), input() or the registers has stopped.
  ~DeviceThread() { worker_.stop(); }

  Result<void> start() {
    return worker_.start([this] { transport_.serve(); });
  }
  [[nodiscard]] MmioTransport& transport() { return transport_; }
  // Writing 8 bytes to it (eventfd(2)) has all queues looked at: for a guest that notifies without a
  // register.
  [[nodiscard]] int kick_fd() const { return worker_.kick_fd(); }

 private:
  Worker worker_;
  MmioTransport transport_;
};

}  // namespace sandstone::devices
