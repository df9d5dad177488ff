// The C API (include/sandstone/library_kernel.h) over Kernel. Nothing may throw out of it.
#include <fcntl.h>
#include <fmt/format.h>
#include <sandstone/library_kernel.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "devices/block.h"
#include "devices/console.h"
#include "devices/folder.h"
#include "devices/image.h"
#include "devices/net.h"
#include "devices/rng.h"
#include "libkernel/kernel.h"

using sandstone::libkernel::Kernel;

struct sandstone_task {
  sandstone_kernel* kernel = nullptr;
  lib_carrier* carrier = nullptr;
  lib_header* header = nullptr;
  int32_t pid = 0;
  bool signal = false;  // the carrier's signal has not been taken yet
};

struct sandstone_kernel {
  std::unique_ptr<Kernel> kernel;
  std::mutex mutex;  // guards the two lists, and `service` and `idle` in use
  std::vector<std::unique_ptr<sandstone_task>> tasks;
  std::vector<std::pair<int, sandstone::devices::Net*>> networks;
  std::vector<std::pair<int, sandstone::devices::Console*>> consoles;
  sandstone_task* first = nullptr;
  sandstone_task* service = nullptr;  // a task of our own, for what is asked of the kernel and not of a task
  lib_carrier* idle = nullptr;        // a carrier without a task, for what is done to tasks
};

namespace {

void say(char* error, size_t size, const std::string& line) {
  if (error == nullptr || size == 0) return;
  const size_t length = std::min(line.size(), size - 1);
  std::memcpy(error, line.data(), length);
  error[length] = '\0';
}

uint64_t word(const void* pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}

int64_t call(sandstone_task* task, int64_t number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0,
             uint64_t d = 0, uint64_t e = 0) {
  return sandstone_call(task, number, a, b, c, d, e, 0);
}

// With kernel->mutex held.
int bind(sandstone_kernel* kernel, int32_t pid, sandstone_task** task) {
  lib_carrier* carrier = kernel->kernel->take_carrier();
  if (carrier == nullptr) return -EAGAIN;
  const int64_t bound = kernel->kernel->header().bind(carrier, pid);
  if (bound < 0) {
    kernel->kernel->return_carrier(carrier);
    return static_cast<int>(bound);
  }
  auto made = std::make_unique<sandstone_task>();
  *made = {kernel, carrier, &kernel->kernel->header(), pid, false};
  *task = made.get();
  kernel->tasks.push_back(std::move(made));
  return 0;
}

int add(sandstone_kernel* kernel, std::unique_ptr<sandstone::devices::Device> device, char* error,
        size_t error_size) {
  auto number = kernel->kernel->add_device(std::move(device));
  if (!number) {
    say(error, error_size, number.error().line());
    return -ENOSPC;
  }
  const int64_t added = call(kernel->service, LIB_CALL_DEVICE_ADD, *number);
  if (added < 0) {
    kernel->kernel->remove_device(*number);
    say(error, error_size,
        fmt::format("the kernel did not take the device: {}", std::strerror(static_cast<int>(-added))));
    return static_cast<int>(added);
  }
  return static_cast<int>(*number);
}

// The name in /dev of the disk with that number: /sys/devices/platform/virtio-mmio.N/virtioM/block/NAME.
std::string disk_name(sandstone_task* task, int number) {
  // A mount of sysfs of our own, in no folder: the tree's own may be anywhere, or nowhere.
  const int64_t fs = call(task, SYS_fsopen, word("sysfs"), 0);
  if (fs < 0) return {};
  call(task, SYS_fsconfig, static_cast<uint64_t>(fs), 6 /* FSCONFIG_CMD_CREATE */, 0, 0, 0);
  const int64_t mount = call(task, SYS_fsmount, static_cast<uint64_t>(fs), 0, 0);
  call(task, SYS_close, static_cast<uint64_t>(fs));
  if (mount < 0) return {};
  std::string path = fmt::format("devices/platform/virtio-mmio.{}", number);
  std::string name;
  const auto first_entry = [&](const std::string& folder, std::string_view prefix) {
    std::string found;
    const int64_t fd =
        call(task, SYS_openat, static_cast<uint64_t>(mount), word(folder.c_str()), O_RDONLY | O_DIRECTORY);
    alignas(8) char entries[2048];
    int64_t got = 0;
    while (fd >= 0 && found.empty() &&
           (got = call(task, SYS_getdents64, static_cast<uint64_t>(fd), word(entries), sizeof entries)) > 0) {
      for (int64_t at = 0; at < got;) {
        uint16_t length = 0;
        std::memcpy(&length, entries + at + 16, sizeof length);
        const std::string_view entry(entries + at + 19);
        if (entry.starts_with(prefix) && entry != "." && entry != "..") found = entry;
        at += length;
      }
    }
    if (fd >= 0) call(task, SYS_close, static_cast<uint64_t>(fd));
    return found;
  };
  const std::string device = first_entry(path, "virtio");
  if (!device.empty()) name = first_entry(path + "/" + device + "/block", "");
  call(task, SYS_close, static_cast<uint64_t>(mount));
  return name;
}

int mount_at(sandstone_task* task, const char* source, const char* target, const char* type, uint64_t flags,
             const char* data = nullptr) {
  call(task, SYS_mkdir, word(target), 0755);
  return static_cast<int>(call(task, SYS_mount, word(source), word(target), word(type), flags, word(data)));
}

}  // namespace

extern "C" {

int sandstone_kernel_boot(const sandstone_kernel_options* options, sandstone_kernel** kernel, char* error,
                          size_t error_size) {
  *kernel = nullptr;
  sandstone_kernel_options given{};
  if (options != nullptr) std::memcpy(&given, options, std::min(options->size, sizeof given));
  sandstone::libkernel::BootOptions boot;
  if (given.memory != 0) boot.memory = given.memory;
  boot.command_line = given.command_line != nullptr ? given.command_line : "quiet";
  if (given.image != nullptr) boot.image = given.image;
  if (given.log != nullptr)
    boot.log = [log = given.log, context = given.log_context](std::string_view text) {
      log(context, text.data(), text.size());
    };
  auto booted = Kernel::boot(boot, {});
  if (!booted) {
    say(error, error_size, booted.error().line());
    return -EIO;
  }
  auto made = std::make_unique<sandstone_kernel>();
  made->kernel = std::move(*booted);
  made->idle = made->kernel->take_carrier();
  int result = bind(made.get(), 1, &made->first);
  if (result == 0) result = sandstone_task_clone(made->first, CLONE_FS | CLONE_FILES, 0, &made->service);
  if (result < 0) {
    say(error, error_size, "library kernel: process 1 does not answer");
    return result;
  }
  *kernel = made.release();
  return 0;
}

int sandstone_kernel_halt(sandstone_kernel* kernel) {
  if (kernel == nullptr) return 0;
  const std::unique_ptr<sandstone_kernel> owned(kernel);
  call(kernel->service, SYS_kill, static_cast<uint64_t>(-1), SIGKILL);
  call(kernel->service, LIB_CALL_HALT);
  return kernel->kernel->state() == LIB_HALTED ? 0 : -EIO;
}

int sandstone_kernel_state(sandstone_kernel* kernel) {
  switch (kernel->kernel->state()) {
    case LIB_READY:
      return 0;
    case LIB_HALTED:
      return -ESHUTDOWN;
    default:
      return -EIO;
  }
}

size_t sandstone_kernel_console(sandstone_kernel* kernel, char* text, size_t size) {
  const std::string all = kernel->kernel->log();
  if (size > 0) {
    const size_t length = std::min(all.size(), size - 1);
    std::memcpy(text, all.data() + all.size() - length, length);
    text[length] = '\0';
  }
  return all.size();
}

sandstone_task* sandstone_kernel_first_task(sandstone_kernel* kernel) {
  return kernel->first;
}

int sandstone_task_clone(sandstone_task* parent, uint64_t flags, int32_t pid, sandstone_task** task) {
  *task = nullptr;
  const int64_t made = call(parent, LIB_CALL_CLONE, flags, static_cast<uint64_t>(pid));
  if (made < 0) return static_cast<int>(made);
  return sandstone_task_adopt(parent->kernel, static_cast<int32_t>(made), task);
}

int sandstone_task_adopt(sandstone_kernel* kernel, int32_t pid, sandstone_task** task) {
  *task = nullptr;
  const std::lock_guard lock(kernel->mutex);
  return bind(kernel, pid, task);
}

int32_t sandstone_task_pid(const sandstone_task* task) {
  return task->pid;
}

int sandstone_kernel_share(sandstone_kernel* kernel, char* error, size_t error_size) {
  auto shared = kernel->kernel->share();
  if (shared) return 0;
  say(error, error_size, shared.error().line());
  return -EAGAIN;
}

int sandstone_kernel_join(sandstone_kernel* kernel) {
  // What another thread of the parent's may have held at the fork is nobody's here.
  new (&kernel->mutex) std::mutex;
  kernel->kernel->join();
  kernel->first = kernel->service = nullptr;
  kernel->idle = kernel->kernel->take_carrier();
  return kernel->idle == nullptr ? -EAGAIN : 0;
}

int sandstone_task_give(sandstone_task* task, int32_t tid) {
  sandstone_kernel* kernel = task->kernel;
  const int result = kernel->kernel->give(*task->carrier, tid);
  if (result != 0) return result;
  const std::lock_guard lock(kernel->mutex);
  std::erase_if(kernel->tasks, [&](const auto& one) { return one.get() == task; });
  return 0;
}

int64_t sandstone_call(sandstone_task* task, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                       uint64_t e, uint64_t f) {
  lib_carrier* carrier = task->carrier;
  const int64_t result = task->header->enter(carrier, static_cast<lib_u64>(number), a, b, c, d, e, f);
  if (__builtin_expect(carrier->status != LIB_RETURNED, 0)) {
    task->signal = carrier->status == LIB_SIGNAL;
    carrier->status = LIB_RETURNED;
  }
  return result;
}

int sandstone_task_memory(sandstone_task* task, int32_t pid) {
  if (pid < 0) return -EINVAL;
  task->carrier->memory = pid;
  // The task may be the last that was inside, whose next call takes the short way in. Not so with an old
  // generation.
  task->carrier->vmalloc_generation = ~uint64_t{0};
  return 0;
}

int sandstone_task_interrupt(sandstone_task* task) {
  const std::lock_guard lock(task->kernel->mutex);
  return static_cast<int>(task->header->interrupt_task(task->kernel->idle, task->pid));
}

int sandstone_task_signal(sandstone_task* task, sandstone_signal* signal) {
  if (!task->signal) return 0;
  task->signal = false;
  const lib_signal& from = task->carrier->signal;
  signal->number = from.number;
  signal->flags = from.flags;
  signal->handler = from.handler;
  signal->restorer = from.restorer;
  signal->mask = from.mask;
  static_assert(sizeof signal->info == sizeof from.info);
  std::memcpy(signal->info, from.info, sizeof from.info);
  return 1;
}

int sandstone_task_exit(sandstone_task* task, int status) {
  const int64_t result = call(task, SYS_exit_group, static_cast<uint64_t>(status));
  sandstone_task_release(task);
  return result == -EIO ? -EIO : 0;
}

void sandstone_task_release(sandstone_task* task) {
  if (task == nullptr) return;
  sandstone_kernel* kernel = task->kernel;
  const std::lock_guard lock(kernel->mutex);
  task->header->unbind(task->carrier);
  kernel->kernel->return_carrier(task->carrier);
  std::erase_if(kernel->tasks, [&](const auto& one) { return one.get() == task; });
}

int sandstone_kernel_add_disk(sandstone_kernel* kernel, const char* path, unsigned flags, char* error,
                              size_t error_size) {
  using Mode = sandstone::devices::ImageOptions::Mode;
  if ((flags & ~(SANDSTONE_DISK_READ_ONLY | SANDSTONE_DISK_PERSIST)) != 0 ||
      flags == (SANDSTONE_DISK_READ_ONLY | SANDSTONE_DISK_PERSIST)) {
    say(error, error_size, "disk: unknown flags, or read-only and persistent at once");
    return -EINVAL;
  }
  sandstone::devices::ImageOptions options;
  if ((flags & SANDSTONE_DISK_READ_ONLY) != 0) options.mode = Mode::read_only;
  if ((flags & SANDSTONE_DISK_PERSIST) != 0) options.mode = Mode::persistent;
  auto store = sandstone::devices::open_image(path, options);
  if (!store) {
    say(error, error_size, store.error().line());
    return -EINVAL;
  }
  return add(kernel, std::make_unique<sandstone::devices::Block>(std::move(*store)), error, error_size);
}

int sandstone_kernel_add_folder(sandstone_kernel* kernel, const char* path, const char* tag, unsigned flags,
                                char* error, size_t error_size) {
  sandstone::devices::FolderOptions options;
  options.path = path;
  options.tag = tag;
  options.read_only = (flags & SANDSTONE_FOLDER_READ_ONLY) != 0;
  auto folder = sandstone::devices::Folder::open(options);
  if (!folder) {
    say(error, error_size, folder.error().line());
    return -EINVAL;
  }
  return add(kernel, std::move(*folder), error, error_size);
}

int sandstone_kernel_add_network(sandstone_kernel* kernel, const uint8_t mac[6], uint16_t mtu,
                                 void (*frame)(void* context, const void* data, size_t size), void* context,
                                 char* error, size_t error_size) {
  sandstone::devices::Net::Mac address{};
  std::copy_n(mac, address.size(), address.begin());
  auto device = std::make_unique<sandstone::devices::Net>(
      address, mtu,
      [frame, context](std::span<const std::byte> data) { frame(context, data.data(), data.size()); });
  sandstone::devices::Net* net = device.get();
  const int number = add(kernel, std::move(device), error, error_size);
  const std::lock_guard lock(kernel->mutex);
  if (number >= 0) kernel->networks.emplace_back(number, net);
  return number;
}

int sandstone_kernel_deliver(sandstone_kernel* kernel, int number, const void* data, size_t size) {
  const std::lock_guard lock(kernel->mutex);
  for (const auto& [known, net] : kernel->networks)
    if (known == number) return net->deliver({static_cast<const std::byte*>(data), size}) ? 0 : -ENOBUFS;
  return -ENODEV;
}

int sandstone_kernel_add_random(sandstone_kernel* kernel, char* error, size_t error_size) {
  return add(kernel, std::make_unique<sandstone::devices::Rng>(), error, error_size);
}

int sandstone_kernel_add_console(sandstone_kernel* kernel,
                                 void (*output)(void* context, const void* data, size_t size), void* context,
                                 char* error, size_t error_size) {
  auto device =
      std::make_unique<sandstone::devices::Console>([output, context](std::span<const std::byte> data) {
        output(context, data.data(), data.size());
        return data.size();
      });
  sandstone::devices::Console* console = device.get();
  const int number = add(kernel, std::move(device), error, error_size);
  const std::lock_guard lock(kernel->mutex);
  if (number >= 0) kernel->consoles.emplace_back(number, console);
  return number;
}

int64_t sandstone_kernel_type(sandstone_kernel* kernel, int number, const void* data, size_t size) {
  const std::lock_guard lock(kernel->mutex);
  for (const auto& [known, console] : kernel->consoles)
    if (known == number)
      return static_cast<int64_t>(console->input({static_cast<const std::byte*>(data), size}));
  return -ENODEV;
}

int sandstone_kernel_remove_device(sandstone_kernel* kernel, int number) {
  const int64_t result = call(kernel->service, LIB_CALL_DEVICE_REMOVE, static_cast<uint64_t>(number));
  if (result < 0) return static_cast<int>(result);
  {
    const std::lock_guard lock(kernel->mutex);
    std::erase_if(kernel->networks, [&](const auto& one) { return one.first == number; });
    std::erase_if(kernel->consoles, [&](const auto& one) { return one.first == number; });
  }
  kernel->kernel->remove_device(static_cast<unsigned>(number));
  return 0;
}

int sandstone_kernel_mount_basics(sandstone_kernel* kernel) {
  struct Basic {
    const char *type, *target, *data;
    uint64_t flags;
  };
  static constexpr Basic basics[] = {
      {"proc", "/proc", nullptr, MS_NOSUID | MS_NODEV | MS_NOEXEC},
      {"sysfs", "/sys", nullptr, MS_NOSUID | MS_NODEV | MS_NOEXEC},
      {"devtmpfs", "/dev", "mode=0755", MS_NOSUID},
      {"devpts", "/dev/pts", "mode=0620,ptmxmode=0666", MS_NOSUID | MS_NOEXEC},
      {"tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV},
      {"tmpfs", "/tmp", "mode=1777", MS_NOSUID | MS_NODEV},
  };
  for (const Basic& basic : basics) {
    const int result =
        mount_at(kernel->service, basic.type, basic.target, basic.type, basic.flags, basic.data);
    if (result < 0 && result != -EBUSY) return result;
  }
  return 0;
}

int sandstone_kernel_mount_disk(sandstone_kernel* kernel, int number, const char* target, const char* type,
                                uint64_t flags) {
  const std::string name = disk_name(kernel->service, number);
  if (name.empty()) return -ENODEV;
  // devtmpfs of our own, too: /dev may not be mounted, or hold something else.
  const std::string folder = "/.sandstone-dev", device = folder + "/" + name;
  int result = mount_at(kernel->service, "devtmpfs", folder.c_str(), "devtmpfs", 0);
  if (result < 0) return result;
  result = mount_at(kernel->service, device.c_str(), target, type != nullptr ? type : "ext4", flags);
  call(kernel->service, SYS_umount2, word(folder.c_str()), MNT_DETACH);
  call(kernel->service, SYS_rmdir, word(folder.c_str()));
  return result;
}

int sandstone_kernel_statistics(sandstone_kernel* kernel, sandstone_statistics* statistics) {
  lib_statistics from{};
  const int64_t result = call(kernel->service, LIB_CALL_STATISTICS, word(&from));
  if (result < 0) return static_cast<int>(result);
  *statistics = {from.tasks,          from.runnable,    from.memory_total,     from.memory_free,
                 from.memory_cached,  from.memory_slab, from.context_switches, from.interrupts,
                 from.up_nanoseconds, from.deaths,      from.deaths_with_cpu};
  return 0;
}

}  // extern "C"
