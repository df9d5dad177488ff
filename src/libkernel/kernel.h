// Kernel: one booted library kernel, its interrupt thread and its devices.
#pragma once

#include <lib_abi.h>
#include <sandstone/result.h>

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/fd.h"
#include "devices/device.h"
#include "libkernel/device_host.h"
#include "libkernel/image.h"

namespace sandstone::libkernel {

struct BootOptions {
  std::string image;  // path of the image; empty: the one that was built or installed with this program
  uint64_t memory = 256 << 20;
  std::string command_line;  // of the kernel, such as "quiet"
  // The kernel's console, called from a thread of its own; empty: nowhere.
  std::function<void(std::string_view)> log;
};

class Kernel {
 public:
  // Boots, with `devices` there from the start as number 0, 1, …; process 1 is then ready to be bound.
  static Result<std::unique_ptr<Kernel>> boot(const BootOptions& options,
                                              std::vector<std::unique_ptr<devices::Device>> devices);
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;
  ~Kernel();  // ends it if it still runs, without syncing; nobody may be inside or come in

  [[nodiscard]] lib_header& header() { return image_.header(); }
  [[nodiscard]] bool running() const;
  [[nodiscard]] uint32_t state() const;

  // A carrier for one task, or null if all are taken.
  lib_carrier* take_carrier();
  void return_carrier(lib_carrier* carrier);

  // The outer side of a device; the kernel's side is LIB_CALL_DEVICE_ADD and _REMOVE. The number, or none
  // free.
  Result<unsigned> add_device(std::unique_ptr<devices::Device> device);
  void remove_device(unsigned number);

  // Starts the undertaker, so that children of this process may make calls too (join()). Once is enough.
  Result<void> share();
  // The thread `tid` of a child makes `carrier`'s calls from now on, and the undertaker looks after its task.
  // 0 or -errno.
  int give(lib_carrier& carrier, pid_t tid);
  // In a child: lets the undertaker trace it, and forgets what is the parent's alone, without touching it.
  void join();

  [[nodiscard]] std::string log() const;  // the last part of what the console printed

 private:
  explicit Kernel(Image image);
  Result<void> start(const BootOptions& options);
  void attach(unsigned number, std::unique_ptr<devices::Device> device);
  void read_log();

  Image image_;
  std::array<std::unique_ptr<DeviceHost>, LIB_MAX_DEVICES> devices_;
  std::mutex mutex_;
  Fd log_read_, log_write_;
  std::function<void(std::string_view)> sink_;
  mutable std::mutex log_mutex_;
  std::string log_text_;
  std::thread log_thread_, thread_;
  lib_carrier* boot_carrier_ = nullptr;
  pid_t undertaker_ = -1;
};

}  // namespace sandstone::libkernel
