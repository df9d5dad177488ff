#include "libkernel/kernel.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/rseq.h>
#include <sys/single_threaded.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/sys.h"
#include "libkernel/clock.h"
#include "libkernel/faults.h"
#include "libkernel/futex.h"
#include "libkernel/quiet_thread.h"

namespace sandstone::libkernel {
namespace {

constexpr size_t log_limit = 256 << 10;
constexpr uint64_t least_memory = 32 << 20;

std::atomic<bool> in_use;  // there is one address

std::string image_path(const std::string& wanted) {
  if (!wanted.empty()) return wanted;
  if (const char* path = ::secure_getenv("SANDSTONE_LIBRARY_KERNEL")) return path;
  char self[4096];
  const ssize_t length = ::readlink("/proc/self/exe", self, sizeof self);
  std::string folder(self, length > 0 ? static_cast<size_t>(length) : 0);
  // Beside the program or, for the examples and tests of a build tree, one above it.
  for (int up = 0; up < 2; ++up) {
    folder.resize(std::min(folder.size(), folder.rfind('/')));
    std::string path = folder + "/library-kernel";
    if (::access(path.c_str(), R_OK) == 0) return path;
  }
  return SANDSTONE_LIBEXEC "/library-kernel";
}

}  // namespace

Kernel::Kernel(Image image) : image_(std::move(image)) {}

Result<std::unique_ptr<Kernel>> Kernel::boot(const BootOptions& options,
                                             std::vector<std::unique_ptr<devices::Device>> devices) {
  if (options.memory < least_memory || options.memory > LIB_MAX_MEMORY || options.memory % 4096 != 0)
    return Error{"memory", fmt::format("{} bytes cannot be the library kernel's memory", options.memory),
                 fmt::format("whole pages, {} MiB to {} GiB", least_memory >> 20, LIB_MAX_MEMORY >> 30)};
  if (options.command_line.size() >= sizeof(lib_boot::command_line))
    return Error{"command line", "is too long",
                 fmt::format("at most {} bytes", sizeof(lib_boot::command_line) - 1)};
  if (devices.size() > LIB_MAX_DEVICES)
    return Error{"devices", "too many", fmt::format("at most {}", LIB_MAX_DEVICES)};
  if (in_use.exchange(true))
    return Error{"library kernel", "this process has one already",
                 "halt it first; others need a process of their own"};

  const ClockReading before = read_clock();
  auto image = Image::load(image_path(options.image), options.memory);
  if (!image) {
    in_use = false;
    return image.error();
  }
  std::unique_ptr<Kernel> kernel(new Kernel(std::move(*image)));
  lib_boot& boot = *kernel->header().boot;
  boot.memory = options.memory;
  set_clock(boot, before);
  for (unsigned i = 0; i < devices.size(); ++i) kernel->attach(i, std::move(devices[i]));
  if (auto started = kernel->start(options); !started) return started.error();
  return kernel;
}

Result<void> Kernel::start(const BootOptions& options) {
  lib_boot& boot = *header().boot;
  std::memcpy(boot.command_line, options.command_line.c_str(), options.command_line.size() + 1);
  if (::getrandom(boot.seed, sizeof boot.seed, 0) != sizeof boot.seed)
    return system_error("library kernel", "getrandom", errno);
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  log_read_ = std::move(pipe->read);
  log_write_ = std::move(pipe->write);
  boot.log_fd = log_write_.get();
  sink_ = options.log;
  // A process that has not asked for it is left out of the barrier that makes unlocking cheap. In one with
  // threads the host waits some ten milliseconds there: unlocking is dear so long, and the kernel boots
  // meanwhile.
  uint32_t& strong_fence = header().shared->strong_fence;
  const auto register_process = [&strong_fence] {
    const bool done = sys::call(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
    shared_word(strong_fence) = done ? 0 : 1;
  };
  shared_word(strong_fence) = 1;
  const bool alone = __libc_single_threaded != 0;
  if (alone) register_process();
  log_thread_ = quiet_thread([this, alone, register_process] {
    if (!alone) register_process();
    read_log();
  });
  answer_faults(header());
  boot_carrier_ = take_carrier();
  boot_carrier_->memory = LIB_MEMORY_NONE;
  thread_ = quiet_thread([this] { header().run(boot_carrier_); });

  uint32_t& state = header().shared->state;
  while (shared_word(state) == LIB_BOOTING) futex_wait(state, LIB_BOOTING);
  if (running()) return {};
  const std::string all = log();
  const size_t end = all.find_last_not_of('\n') + 1;
  const size_t begin = all.rfind('\n', end - 1) + 1;
  return Error{"library kernel", "did not boot", "it says: " + all.substr(begin, end - begin)};
}

bool Kernel::running() const {
  return state() == LIB_READY;
}
uint32_t Kernel::state() const {
  return shared_word(image_.header().shared->state);
}

Kernel::~Kernel() {
  if (thread_.joinable()) {
    if (state() < LIB_HALTED) {
      // From outside, so nothing is synced and nobody unwinds: the interrupt thread finds out and goes home.
      shared_word(header().shared->state) = LIB_HALTED;
      shared_word(header().shared->bell).fetch_add(1);
      futex_wake(header().shared->bell);
      futex_wake(header().shared->owner, INT32_MAX);
    }
    thread_.join();
  }
  if (undertaker_ > 0) {
    ::kill(undertaker_, SIGKILL);
    while (::waitpid(undertaker_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  for (auto& device : devices_) device.reset();
  if (log_thread_.joinable()) {
    log_write_.reset();
    log_thread_.join();
  }
  leave_faults(header());
  in_use = false;
}

lib_carrier* Kernel::take_carrier() {
  lib_carrier* carriers = header().carriers;
  for (uint32_t i = 0; i < LIB_MAX_CARRIERS; ++i) {
    lib_carrier& carrier = carriers[i];
    uint32_t free = 0;
    if (shared_word(carrier.used) != 0 || !shared_word(carrier.used).compare_exchange_strong(free, 1))
      continue;
    carrier.id = i + 1;
    carrier.memory = LIB_MEMORY_OWN;
    carrier.vmalloc_generation = ~uint64_t{0};
    return &carrier;
  }
  return nullptr;
}

void Kernel::return_carrier(lib_carrier* carrier) {
  const uint32_t id = carrier->id;
  *carrier = {};
  carrier->id = id;
}

Result<void> Kernel::share() {
  const std::lock_guard lock(mutex_);
  if (undertaker_ > 0) return {};
  lib_carrier* carrier = take_carrier();
  if (carrier == nullptr) return Error{"library kernel", "no carrier is free", "release a task"};
  carrier->memory = LIB_MEMORY_NONE;
  carrier->watch = LIB_WATCHED;
  undertaker_ = ::fork();
  if (undertaker_ < 0) return system_error("library kernel", "fork", errno);
  if (undertaker_ == 0) {
    // Only what the image holds is left of this process soon: no libc, and no descriptor that would keep a
    // pipe open.
    const int log = header().boot->log_fd;
    sys::call(SYS_close_range, 0, log - 1, 0);
    sys::call(SYS_close_range, log + 1, ~0U, 0);
    ::prctl(PR_SET_NAME, "undertaker");
    ::setsid();
    carrier->pid = static_cast<uint32_t>(::getpid());
    carrier->tid = carrier->pid;
#ifdef RSEQ_SIG
    // The host kernel writes into it at every preemption, and ends a process that has unmapped it.
    sys::call(SYS_rseq,
              static_cast<long>(reinterpret_cast<uintptr_t>(__builtin_thread_pointer()) + __rseq_offset), 32,
              1 /* RSEQ_FLAG_UNREGISTER */, RSEQ_SIG);
#endif
    header().undertake(carrier);
  }
  uint32_t& there = header().shared->undertaker;
  while (shared_word(there) == 0) futex_wait(there, 0, 1000);
  return {};
}

int Kernel::give(lib_carrier& carrier, pid_t tid) {
  const uint32_t undertaker = shared_word(header().shared->undertaker);
  if (undertaker == 0) return -ENOTCONN;
  carrier.tid = static_cast<uint32_t>(tid);
  uint32_t& watch = carrier.watch;
  // Refused: it has perhaps not come to join() yet, which allows it where Yama guards ptrace(2).
  for (int tries = 0; tries < 200; ++tries) {
    shared_word(watch) = LIB_WATCH_WANTED;
    ::kill(static_cast<pid_t>(undertaker), SIGUSR1);
    while (shared_word(watch) == LIB_WATCH_WANTED && state() < LIB_HALTED)
      futex_wait(watch, LIB_WATCH_WANTED, 100);
    // Not REFUSED is done: the undertaker may have buried it meanwhile.
    if (shared_word(watch) != LIB_WATCH_REFUSED) return state() < LIB_HALTED ? 0 : -EIO;
    ::usleep(10'000);
  }
  return -EPERM;
}

void Kernel::join() {
  ::prctl(PR_SET_PTRACER, shared_word(header().shared->undertaker));
  if (sys::call(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) < 0)
    header().shared->strong_fence = 1;
  thread_.detach();
  log_thread_.detach();
  undertaker_ = -1;
  // Their threads are the parent's: destroyed here they would be waited for, for ever.
  for (auto& device : devices_) {
    [[maybe_unused]] const DeviceHost* parents = device.release();
  }
}

void Kernel::attach(unsigned number, std::unique_ptr<devices::Device> device) {
  const devices::GuestMemory memory(image_.memory(), image_.memory_size());
  auto* raise = header().interrupt;
  devices_[number] = std::make_unique<DeviceHost>(memory, header().shared->windows[number], std::move(device),
                                                  [raise, number] { raise(LIB_INTERRUPT_DEVICE(number)); });
}

Result<unsigned> Kernel::add_device(std::unique_ptr<devices::Device> device) {
  const std::lock_guard lock(mutex_);
  for (unsigned i = 0; i < LIB_MAX_DEVICES; ++i) {
    if (devices_[i]) continue;
    attach(i, std::move(device));
    return i;
  }
  return Error{"devices", fmt::format("there are {} already", LIB_MAX_DEVICES), "remove one"};
}

void Kernel::remove_device(unsigned number) {
  const std::lock_guard lock(mutex_);
  if (number < LIB_MAX_DEVICES) devices_[number].reset();
}

void Kernel::read_log() {
  char part[4096];
  for (;;) {
    pollfd ready{.fd = log_read_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, -1) < 0 && errno != EINTR) return;
    std::string_view text;
    {
      // Read and kept in one step, so that what is not in the pipe is in the text: log() relies on it.
      const std::lock_guard lock(log_mutex_);
      // NOLINTNEXTLINE: it does not block, as poll() has said
      const ssize_t got = ready.revents != 0 ? ::read(log_read_.get(), part, sizeof part) : -1;
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return;
      text = {part, static_cast<size_t>(got)};
      log_text_ += text;
      if (log_text_.size() > 2 * log_limit) log_text_.erase(0, log_text_.size() - log_limit);
    }
    if (sink_) sink_(text);
  }
}

std::string Kernel::log() const {
  // What a call has printed before it came back is there, if the sink does not hold it up for long.
  for (int tries = 0;; ++tries) {
    {
      const std::lock_guard lock(log_mutex_);
      int waiting = 0;
      if (tries == 1000 || ::ioctl(log_read_.get(), FIONREAD, &waiting) != 0 || waiting == 0)
        return log_text_;
    }
    ::usleep(1000);
  }
}

}  // namespace sandstone::libkernel
