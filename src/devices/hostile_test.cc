// A guest whose other CPU rewrites the rings while its devices read them. Under AddressSanitizer this shows a
// second read of something that was checked at the first.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <random>
#include <thread>

#include "base/fd.h"
#include "devices/block.h"
#include "devices/console.h"
#include "devices/driver_model.h"
#include "devices/net.h"
#include "devices/overlay.h"
#include "devices/rng.h"

namespace sandstone::devices {
namespace {

constexpr size_t kMemory = 64 << 10;
constexpr uint16_t kSize = 16;

// A device that the other CPU has broken so often has met it at work: on a busy machine that CPU may not run
// for a while.
constexpr unsigned kBreaks = 20;

std::unique_ptr<Device> disk() {
  Fd base(::memfd_create("base", MFD_CLOEXEC));
  EXPECT_EQ(::ftruncate(base.get(), 65536), 0);
  auto store =
      OverlayStore::create(std::move(base), 65536, Fd(::memfd_create("changes", MFD_CLOEXEC)), "disk");
  EXPECT_TRUE(store);
  return std::make_unique<Block>(std::move(*store));
}

// Writes descriptors, indices and headers as fast as it can: mostly right ones, so that the device gets far.
class OtherCpu {
 public:
  OtherCpu(TestMemory& memory, const DriverModel::Queue& queue, uint64_t buffers)
      : memory_(memory), queue_(queue), buffers_(buffers), thread_([this] { run(); }) {
    while (!running_) std::this_thread::yield();
  }
  OtherCpu(const OtherCpu&) = delete;
  OtherCpu& operator=(const OtherCpu&) = delete;
  ~OtherCpu() {
    stop_ = true;
    thread_.join();
  }

 private:
  void run() {
    std::mt19937 engine(7);
    const auto random = [&] { return static_cast<uint32_t>(engine()); };
    running_ = true;
    while (!stop_) {
      const uint32_t dice = random();
      if (dice % 8 == 0) {
        store<uint32_t>(memory_.at(buffers_ + uint64_t{dice / 8 % 64} * 16), dice / 1024 % 16);
      } else if (dice % 8 == 1) {
        store<uint16_t>(memory_.at(queue_.available + 4 + uint64_t{dice / 8 % kSize} * 2),
                        static_cast<uint16_t>(dice / 1024 % kSize));
      } else {
        // In the ring's table, or in the one that its indirect descriptors name.
        const uint64_t table = dice % 8 == 2 ? buffers_ : queue_.descriptors;
        std::byte* at = memory_.at(table + uint64_t{dice / 8 % kSize} * 16);
        const bool indirect = dice % 8 == 3;
        store<uint64_t>(at, indirect ? buffers_ : buffers_ + dice / 256 % 4096);
        store<uint32_t>(at + 8, indirect ? 256 : dice / 4096 % 2048);
        store<uint16_t>(at + 12, static_cast<uint16_t>(indirect ? 4 : dice / 65536 % 4));
        store<uint16_t>(at + 14, static_cast<uint16_t>(random() % kSize));
      }
    }
  }

  TestMemory& memory_;
  const DriverModel::Queue queue_;
  const uint64_t buffers_;
  std::atomic<bool> running_{false};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

void serve_while_it_changes(Device& device, unsigned queue_number, const std::function<void()>& feed) {
  TestMemory memory(kMemory);
  MmioTransport transport(memory.guest(), device, {});
  DriverModel driver(memory, transport);
  unsigned broken = 0;
  std::optional<OtherCpu> other;
  for (int life = 0; life < 1000 || broken < kBreaks; ++life) {
    driver.free_down_to(0);
    ASSERT_TRUE(driver.negotiate(MmioTransport::kIndirect | (life % 2 ? MmioTransport::kEventIndex : 0)));
    DriverModel::Queue& queue = driver.add_queue(queue_number, kSize);
    const uint64_t buffers = driver.allocate(8192, 4096);
    driver.start();
    if (!other) other.emplace(memory, queue, buffers);  // every life has its rings at the same place
    for (int i = 0; i < 100 && !transport.fault(); ++i) {
      feed();
      while (queue.next_available - static_cast<uint16_t>(load<uint16_t>(memory.at(queue.used + 2))) <
             kSize / 2)
        driver.offer_head(queue, static_cast<uint16_t>(i % kSize));
      transport.serve();
    }
    broken += transport.fault() ? 1 : 0;
  }
}

// One length, now good and now far outside, as fast as it can be written: whoever reads it twice sees both.
void serve_while_a_length_flips(Device& device, unsigned queue_number, bool device_writes,
                                const std::function<void()>& feed) {
  TestMemory memory(kMemory);
  MmioTransport transport(memory.guest(), device, {});
  DriverModel driver(memory, transport);
  std::atomic<bool> stop{false};
  std::thread other;
  unsigned broken = 0;
  for (int life = 0; life < 2000 || broken < kBreaks; ++life) {
    driver.free_down_to(0);
    ASSERT_TRUE(driver.negotiate());
    DriverModel::Queue& queue = driver.add_queue(queue_number, kSize);
    const uint64_t buffer = driver.allocate(4096, 4096);
    driver.descriptor(queue.descriptors, 0, buffer, 16, 1, 1);
    std::memset(memory.at(buffer), 0, 16);
    driver.descriptor(queue.descriptors, 1, buffer, 512, device_writes ? 2 : 0, 0);
    driver.start();
    if (!other.joinable())
      other = std::thread([&stop, length = memory.at(queue.descriptors + 16 + 8)] {
        while (!stop)
          for (int i = 0; i < 1000; ++i) store<uint32_t>(length, i % 2 == 0 ? 0x7fffff00 : 513);
      });
    for (int i = 0; i < 8 && !transport.fault(); ++i) {
      feed();
      driver.offer_head(queue, 0);
      transport.serve();
    }
    broken += transport.fault() ? 1 : 0;
  }
  stop = true;
  other.join();
}

}  // namespace

TEST(DevicesRace, ALengthThatFlips) {
  const auto block = disk();
  serve_while_a_length_flips(*block, 0, true, [] {});
  Net net({2, 0, 0, 0, 0, 1}, 1500, [](std::span<const std::byte>) {});
  serve_while_a_length_flips(net, 1, false, [] {});
  const std::vector<std::byte> frame(600);
  serve_while_a_length_flips(net, 0, true, [&] { net.deliver(frame); });
  Console console([](std::span<const std::byte> bytes) { return bytes.size(); });
  serve_while_a_length_flips(console, 1, false, [] {});
  Rng rng;
  serve_while_a_length_flips(rng, 0, true, [] {});
}

TEST(DevicesRace, Block) {
  const auto device = disk();
  serve_while_it_changes(*device, 0, [] {});
}

TEST(DevicesRace, NetSends) {
  Net net({2, 0, 0, 0, 0, 1}, 1500,
          [](std::span<const std::byte> frame) { EXPECT_LE(frame.size(), Net::kMaxFrame); });
  serve_while_it_changes(net, 1, [] {});
}

TEST(DevicesRace, NetReceives) {
  Net net({2, 0, 0, 0, 0, 1}, 1500, [](std::span<const std::byte>) {});
  const std::vector<std::byte> frame(600);
  serve_while_it_changes(net, 0, [&] { net.deliver(frame); });
}

TEST(DevicesRace, Console) {
  Console console([](std::span<const std::byte> bytes) { return bytes.size(); });
  serve_while_it_changes(console, 1, [] {});
}

TEST(DevicesRace, Rng) {
  Rng rng;
  serve_while_it_changes(rng, 0, [] {});
}

}  // namespace sandstone::devices
