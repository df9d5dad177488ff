// The devices that carry bytes and frames: Net, Console, Rng.
#include <gtest/gtest.h>
#include <linux/virtio_ids.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "base/fd.h"
#include "devices/console.h"
#include "devices/device_thread.h"
#include "devices/driver_model.h"
#include "devices/net.h"
#include "devices/rng.h"

namespace sandstone::devices {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}
std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Two queues, receive and send, of a device that is up.
struct Wire {
  explicit Wire(Device& device, uint64_t features = 0)
      : transport(memory.guest(), device, {.interrupt = [this] { ++interrupts; }, .kick = {}, .broken = {}}) {
    driver.negotiate(features | ~uint64_t{0} >> 40);
    receive = &driver.add_queue(0, 8);
    if (device.queue_sizes().size() > 1) send = &driver.add_queue(1, 8);
    driver.start();
  }
  uint64_t put(std::span<const std::byte> bytes) {
    const uint64_t at = driver.allocate(bytes.size(), 1);
    std::memcpy(memory.at(at), bytes.data(), bytes.size());
    return at;
  }
  void transmit(const Bytes& bytes) {
    driver.offer(*send, {{put(bytes), static_cast<uint32_t>(bytes.size()), false}});
    driver.kick(*send);
    transport.serve();
  }
  [[nodiscard]] std::string text(uint64_t at, size_t length) const {
    return text_of({memory.at(at), length});
  }

  TestMemory memory{4 << 20};
  unsigned interrupts = 0;
  MmioTransport transport;
  DriverModel driver{memory, transport};
  DriverModel::Queue* receive = nullptr;
  DriverModel::Queue* send = nullptr;
};

constexpr Net::Mac kMac{2, 0, 0, 1, 2, 3};

struct Card {
  std::vector<Bytes> frames;
  Net net{kMac, 1500,
          [this](std::span<const std::byte> frame) { frames.emplace_back(frame.begin(), frame.end()); }};
  Wire wire{net};
};

Bytes frame_of(size_t length, char fill = 'f') {
  return Bytes(length, static_cast<std::byte>(fill));
}

Bytes with_header(const Bytes& frame, uint8_t flags = 0, uint8_t gso = 0) {
  Bytes bytes(12 + frame.size());
  bytes[0] = std::byte{flags};
  bytes[1] = std::byte{gso};
  std::copy(frame.begin(), frame.end(), bytes.begin() + 12);
  return bytes;
}

}  // namespace

TEST(DevicesNet, SaysWhatItIs) {
  Card card;
  EXPECT_EQ(card.net.id(), uint32_t{VIRTIO_ID_NET});
  EXPECT_EQ(card.wire.driver.get(0x100), 0x01000002U) << "the first bytes of the address";
  EXPECT_EQ(card.wire.transport.read(0x10a, 2), 1500U);
}

TEST(DevicesNet, SendsFrames) {
  Card card;
  card.wire.transmit(with_header(frame_of(60)));
  card.wire.transmit(with_header(frame_of(Net::kMaxFrame)));
  ASSERT_EQ(card.frames.size(), 2U);
  EXPECT_EQ(card.frames[0], frame_of(60));
  EXPECT_EQ(card.frames[1], frame_of(Net::kMaxFrame));
  EXPECT_EQ(card.net.dropped(), 0U);
}

TEST(DevicesNet, DropsWhatIsNoFrame) {
  Card card;
  card.wire.transmit(with_header(frame_of(13)));
  card.wire.transmit(with_header(frame_of(Net::kMaxFrame + 1)));
  card.wire.transmit(with_header(frame_of(60), 1));
  card.wire.transmit(with_header(frame_of(60), 0, 1));
  EXPECT_EQ(card.frames.size(), 0U);
  EXPECT_EQ(card.net.dropped(), 4U);
  EXPECT_EQ(card.wire.transport.fault(), std::nullopt);
  card.wire.transmit(Bytes(11));
  EXPECT_EQ(card.wire.transport.fault()->kind, QueueFault::Kind::bad_request);
}

TEST(DevicesNet, DeliversFrames) {
  Card card;
  const uint64_t at = card.wire.driver.allocate(4096, 1);
  card.wire.driver.offer(*card.wire.receive, {{at, 12, true}, {at + 100, 1518, true}});
  EXPECT_TRUE(card.net.deliver(frame_of(60, 'a')));
  EXPECT_TRUE(card.net.deliver(frame_of(61, 'b')));
  card.wire.transport.serve();
  EXPECT_EQ(card.wire.driver.take(*card.wire.receive)->written, 72U);
  EXPECT_EQ(card.wire.text(at, 12), std::string("\0\0\0\0\0\0\0\0\0\0\1\0", 12)) << "one buffer";
  EXPECT_EQ(card.wire.text(at + 100, 60), std::string(60, 'a'));
  EXPECT_FALSE(card.wire.driver.take(*card.wire.receive)) << "no buffer yet";
  card.wire.driver.offer(*card.wire.receive, {{at, 1530, true}});
  EXPECT_TRUE(card.wire.driver.kick(*card.wire.receive)) << "the device waits for buffers";
  card.wire.transport.serve();
  EXPECT_EQ(card.wire.driver.take(*card.wire.receive)->written, 73U);
  EXPECT_EQ(card.wire.text(at + 12, 61), std::string(61, 'b'));
}

TEST(DevicesNet, AFrameThatDoesNotFitLeavesTheBufferForTheNext) {
  Card card;
  const uint64_t at = card.wire.driver.allocate(4096, 1);
  card.wire.driver.offer(*card.wire.receive, {{at, 112, true}});
  EXPECT_TRUE(card.net.deliver(frame_of(101, 'a')));
  EXPECT_TRUE(card.net.deliver(frame_of(100, 'b')));
  card.wire.transport.serve();
  EXPECT_EQ(card.net.dropped(), 1U);
  EXPECT_EQ(card.wire.driver.take(*card.wire.receive)->written, 112U);
  EXPECT_EQ(card.wire.text(at + 12, 100), std::string(100, 'b'));
}

TEST(DevicesNet, WhatTheGuestDoesNotTakeIsBounded) {
  Card card;
  int taken = 0;
  while (taken < 1000 && card.net.deliver(frame_of(Net::kMaxFrame))) ++taken;
  EXPECT_EQ(taken, 15);
  EXPECT_FALSE(card.net.deliver(frame_of(13)));
  EXPECT_FALSE(card.net.deliver(frame_of(Net::kMaxFrame + 1)));
  card.wire.driver.set(VIRTIO_MMIO_STATUS, 0);
  EXPECT_FALSE(card.net.deliver(frame_of(60))) << "nobody is there";
}

TEST(DevicesNet, AHandlerMayAnswerAtOnce) {
  Net* self = nullptr;
  Net net(kMac, 1500, [&](std::span<const std::byte> frame) { EXPECT_TRUE(self->deliver(frame)); });
  self = &net;
  Wire wire(net);
  const uint64_t at = wire.driver.allocate(4096, 1);
  wire.driver.offer(*wire.receive, {{at, 1530, true}});
  wire.transmit(with_header(frame_of(77)));
  EXPECT_EQ(wire.driver.take(*wire.receive)->written, 89U);
}

TEST(DevicesNet, ManyFramesFromAnotherThread) {
  TestMemory memory(1 << 20);
  Net net(kMac, 1500, [](std::span<const std::byte>) {});
  DeviceThread thread(memory.guest(), net, {});
  ASSERT_TRUE(thread.start());
  DriverModel driver(memory, thread.transport());
  driver.negotiate(MmioTransport::kEventIndex);
  auto& queue = driver.add_queue(0, 8);
  driver.start();
  const uint64_t at = driver.allocate(uint64_t{8} * 2048, 1);
  constexpr int kFrames = 20000;
  std::thread sender([&] {
    for (int i = 0; i < kFrames;) {
      Bytes frame = frame_of(60);
      std::memcpy(&frame[14], &i, sizeof i);
      if (net.deliver(frame))
        ++i;
      else
        std::this_thread::yield();
    }
  });
  const auto offer = [&](uint32_t slot) { driver.offer(queue, {{at + uint64_t{2048} * slot, 2048, true}}); };
  std::array<uint32_t, 8> slot_of{};
  for (uint32_t i = 0; i < 8; ++i) {
    slot_of[queue.free.back()] = i;
    offer(i);
  }
  driver.kick(queue);
  for (int i = 0; i < kFrames; ++i) {
    std::optional<DriverModel::Used> used;
    while (!(used = driver.take(queue))) std::this_thread::yield();
    ASSERT_EQ(used->written, 72U);
    const uint32_t slot = slot_of[used->id];
    int number = -1;
    std::memcpy(&number, memory.at(at + uint64_t{2048} * slot + 26), sizeof number);
    ASSERT_EQ(number, i) << "in order, none lost";
    slot_of[queue.free.back()] = slot;
    offer(slot);
    driver.kick(queue);
  }
  sender.join();
}

TEST(DevicesConsole, CarriesBytesBothWays) {
  std::string out;
  Console console([&](std::span<const std::byte> bytes) { return out += text_of(bytes), bytes.size(); });
  Wire wire(console);
  EXPECT_EQ(console.id(), uint32_t{VIRTIO_ID_CONSOLE});
  wire.transmit(bytes_of("hello "));
  wire.transmit(Bytes(10000, std::byte{'x'}));
  EXPECT_EQ(out, "hello " + std::string(10000, 'x'));
  EXPECT_TRUE(wire.driver.take(*wire.send));
  EXPECT_TRUE(wire.driver.take(*wire.send));

  EXPECT_EQ(console.input(bytes_of("typed")), 5U);
  wire.transport.serve();
  const uint64_t at = wire.driver.allocate(64, 1);
  wire.driver.offer(*wire.receive, {{at, 3, true}});
  wire.driver.offer(*wire.receive, {{at + 3, 61, true}});
  EXPECT_TRUE(wire.driver.kick(*wire.receive));
  wire.transport.serve();
  EXPECT_EQ(wire.driver.take(*wire.receive)->written, 3U);
  EXPECT_EQ(wire.driver.take(*wire.receive)->written, 2U);
  EXPECT_EQ(wire.text(at, 5), "typed");
}

TEST(DevicesConsole, InputIsBounded) {
  Console console([](std::span<const std::byte> bytes) { return bytes.size(); });
  Wire wire(console);
  EXPECT_EQ(console.input(Bytes(100000)), 65536U);
  EXPECT_EQ(console.input(Bytes(1)), 0U);
}

TEST(DevicesConsole, ASlowReaderHoldsTheGuestAndLosesNothing) {
  auto pipe = make_pipe();
  ASSERT_TRUE(pipe);
  Console console(Console::to_fd(pipe->write.get()));
  Wire wire(console);
  Bytes sent(300000);
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<std::byte>(i % 251);
  wire.transmit(sent);
  EXPECT_TRUE(console.output_waits());
  EXPECT_FALSE(wire.driver.take(*wire.send));
  EXPECT_FALSE(wire.transport.serve()) << "does not spin";
  Bytes got;
  std::array<std::byte, 8192> part;
  while (got.size() < sent.size()) {
    const ssize_t count = ::read(pipe->read.get(), part.data(), part.size());
    ASSERT_GT(count, 0);
    got.insert(got.end(), part.begin(), part.begin() + count);
    if (console.output_waits()) console.output_ready();
    wire.transport.serve();
  }
  EXPECT_EQ(got, sent);
  EXPECT_TRUE(wire.driver.take(*wire.send));
}

TEST(DevicesConsole, TellsItsSize) {
  Console console([](std::span<const std::byte> bytes) { return bytes.size(); });
  Wire wire(console);
  console.resize(132, 43);
  EXPECT_EQ(wire.driver.get(0x100), 132U | 43U << 16);
  EXPECT_EQ(wire.interrupts, 1U);
  EXPECT_EQ(wire.transport.interrupt_status(), 2U);
}

TEST(DevicesRng, FillsWhatItIsGiven) {
  Rng rng;
  Wire wire(rng);
  EXPECT_EQ(rng.id(), uint32_t{VIRTIO_ID_RNG});
  const uint64_t at = wire.driver.allocate(200000, 1);
  wire.driver.offer(*wire.receive, {{at, 30, true}, {at + 100, 34, true}});
  wire.driver.offer(*wire.receive, {{at + 1000, 150000, true}});
  wire.driver.offer(*wire.receive, {{at, 30, false}});
  wire.transport.serve();
  EXPECT_EQ(wire.driver.take(*wire.receive)->written, 64U);
  EXPECT_EQ(wire.driver.take(*wire.receive)->written, Rng::kMaxBytes);
  EXPECT_EQ(wire.driver.take(*wire.receive)->written, 0U);
  EXPECT_NE(wire.text(at, 30), std::string(30, '\0'));
  EXPECT_EQ(wire.text(at + 30, 70), std::string(70, '\0'));
  EXPECT_NE(wire.text(at + 1000 + Rng::kMaxBytes - 16, 16), std::string(16, '\0'));
  EXPECT_EQ(wire.text(at + 1000 + Rng::kMaxBytes, 16), std::string(16, '\0'));
}

}  // namespace sandstone::devices
