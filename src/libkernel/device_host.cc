#include "libkernel/device_host.h"

#include <bit>
#include <chrono>

#include "libkernel/futex.h"
#include "libkernel/quiet_thread.h"

namespace sandstone::libkernel {
namespace {

constexpr uint32_t queue_notify = 0x50;
constexpr uint32_t interrupt_ack = 0x64;

// How often to look before sleeping: the next access or doorbell often comes within a microsecond or two.
constexpr int spins = 400;

}  // namespace

DeviceHost::DeviceHost(const devices::GuestMemory& memory, lib_device_window& window,
                       std::unique_ptr<devices::Device> device, std::function<void()> raise)
    : window_(window),
      device_(std::move(device)),
      raise_(std::move(raise)),
      transport_(memory, *device_,
                 {.interrupt = [this] { interrupt(); }, .kick = [this] { wake(); }, .broken = {}}) {
  window_ = {};
  thread_ = quiet_thread([this] { run(); });
  shared_word(window_.present) = 1;
}

DeviceHost::~DeviceHost() {
  shared_word(window_.present) = 0;
  futex_wake(window_.answer);
  stop_ = true;
  wake();
  thread_.join();
}

void DeviceHost::settle() {
  constexpr int most = 200;  // milliseconds
  idle_ = false;
  wake();
  for (int passed = 0; !idle_ && passed < most; ++passed)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void DeviceHost::wake() {
  shared_word(window_.request).fetch_add(1);
  futex_wake(window_.request);
}

// The status goes to where the kernel takes it without asking us: an access for each interrupt would double
// its cost.
void DeviceHost::interrupt() {
  const uint32_t status = transport_.interrupt_status();
  transport_.write(interrupt_ack, status, 4);
  shared_word(window_.interrupt).fetch_or(status);
  raise_();
}

// An access waits for us. Each word is read once: the kernel may change it meanwhile.
void DeviceHost::answer() {
  const uint32_t asked = shared_word(window_.asked);
  if (asked == answered_) return;
  const uint32_t offset = shared_word(window_.offset);
  const uint32_t size = shared_word(window_.size);
  const uint32_t value = shared_word(window_.value);
  if (shared_word(window_.write) != 0) {
    transport_.write(offset, value, size);
  } else {
    shared_word(window_.value) = transport_.read(offset, size);
  }
  answered_ = asked;
  shared_word(window_.answer) = asked;
  futex_wake(window_.answer);
}

void DeviceHost::run() {
  while (!stop_) {
    const uint32_t seen = shared_word(window_.request);
    answer();
    for (uint32_t rung = shared_word(window_.doorbells).exchange(0); rung != 0; rung &= rung - 1)
      transport_.write(queue_notify, static_cast<uint32_t>(std::countr_zero(rung)), 4);
    transport_.serve();

    int tries = spins;
    while (shared_word(window_.request) == seen && tries > 0) {
      asm volatile("pause");
      --tries;
    }
    if (tries > 0) continue;
    shared_word(window_.sleeping) = 1;
    idle_ = true;
    if (shared_word(window_.request) == seen) futex_wait(window_.request, seen);
    shared_word(window_.sleeping) = 0;
  }
}

}  // namespace sandstone::libkernel
