// DeviceHost: the outer side of a device's window. A thread carries the kernel's accesses and doorbells to
// the device.
#pragma once

#include <lib_abi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "devices/device.h"
#include "devices/guest_memory.h"
#include "devices/mmio_transport.h"

namespace sandstone::libkernel {

class DeviceHost {
 public:
  // Serves `device` at `window` until destroyed; `raise` raises the device's interrupt, from any thread.
  // The kernel that writes into the window is not trusted: all that it says is an offset and a value for the
  // transport, which checks them.
  DeviceHost(const devices::GuestMemory& memory, lib_device_window& window,
             std::unique_ptr<devices::Device> device, std::function<void()> raise);
  DeviceHost(const DeviceHost&) = delete;
  DeviceHost& operator=(const DeviceHost&) = delete;
  ~DeviceHost();

  // Waits until what the kernel has asked for by now is done, for a moment at most: it could ask for more without end.
  void settle();

  [[nodiscard]] devices::Device& device() { return *device_; }

 private:
  void run();
  void answer();
  void wake();
  void interrupt();

  lib_device_window& window_;
  std::unique_ptr<devices::Device> device_;
  std::function<void()> raise_;
  devices::MmioTransport transport_;
  uint32_t answered_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<bool> idle_{false};
  std::thread thread_;
};

}  // namespace sandstone::libkernel
