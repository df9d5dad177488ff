#include "devices/virtqueue.h"

#include <gtest/gtest.h>

#include <sys/mman.h>

#include <cstring>
#include <string>

#include "devices/driver_model.h"
#include "devices/echo_device.h"

namespace sandstone::devices {
namespace {

constexpr uint64_t kIndirect = MmioTransport::kIndirect;
constexpr uint64_t kEventIndex = MmioTransport::kEventIndex;

// A driver and an echo device, ready, with one queue.
struct Bench {
  explicit Bench(uint64_t features = kIndirect, uint16_t size = 8) {
    driver.negotiate(features);
    queue = &driver.add_queue(0, size);
    driver.start();
    transport.serve();
    kicks = 0;
    in = driver.allocate(4096, 1);
    out = driver.allocate(4096, 1);
  }

  std::string echo(const std::string& text, bool indirect = false) {
    std::memcpy(memory.at(in), text.data(), text.size());
    std::memset(memory.at(out), 0, text.size());
    const auto length = static_cast<uint32_t>(text.size());
    // Three pieces, so that links are followed.
    driver.offer(*queue, {{in, 1, false}, {in + 1, length - 1, false}, {out, length, true}}, indirect);
    driver.kick(*queue);
    transport.serve();
    const auto used = driver.take(*queue);
    if (!used) return "nothing came back";
    return {reinterpret_cast<const char*>(memory.at(out)), used->written};
  }

  // What breaks the device when descriptor 0 is so, and offered.
  std::string broken_by(uint64_t address, uint32_t length, uint16_t flags, uint16_t next) {
    driver.descriptor(queue->descriptors, 0, address, length, flags, next);
    driver.offer_head(*queue, 0);
    return served();
  }
  std::string served() {
    transport.serve();
    EXPECT_EQ((driver.get(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET) != 0,
              transport.fault().has_value());
    return transport.fault() ? to_string(transport.fault()->kind) : "";
  }

  TestMemory memory{1 << 20};
  EchoDevice device;
  unsigned interrupts = 0;
  unsigned kicks = 0;
  unsigned broken = 0;
  MmioTransport transport{memory.guest(),
                          device,
                          {.interrupt = [this] { ++interrupts; },
                           .kick = [this] { ++kicks; },
                           .broken = [this](unsigned, const QueueFault&) { ++broken; }}};
  DriverModel driver{memory, transport};
  DriverModel::Queue* queue = nullptr;
  uint64_t in = 0;
  uint64_t out = 0;
};

}  // namespace

TEST(DevicesGuestMemory, KnowsItsBounds) {
  const TestMemory memory(4096);
  const GuestMemory guest = memory.guest();
  EXPECT_EQ(guest.at(0, 4096), memory.at(0));
  EXPECT_EQ(guest.at(4095, 1), memory.at(4095));
  EXPECT_NE(guest.at(4096, 0), nullptr);
  EXPECT_EQ(guest.at(4096, 1), nullptr);
  EXPECT_EQ(guest.at(4097, 0), nullptr);
  EXPECT_EQ(guest.at(1, 4096), nullptr);
  EXPECT_EQ(guest.at(UINT64_MAX, 2), nullptr) << "a sum that wraps around";
  EXPECT_EQ(guest.at(2, UINT64_MAX), nullptr);
}

TEST(DevicesVirtqueue, CarriesARequestThereAndBack) {
  Bench bench;
  EXPECT_EQ(bench.echo("hello"), "hello");
  EXPECT_EQ(bench.echo("through a table", true), "through a table");
  EXPECT_EQ(bench.kicks, 2U);
  EXPECT_EQ(bench.interrupts, 2U);
}

TEST(DevicesVirtqueue, IndicesWrapAround) {
  for (const uint64_t features : {uint64_t{0}, kEventIndex}) {
    Bench bench(features, 4);
    for (uint32_t i = 0; i < 70000; ++i) {
      const std::string text = std::to_string(i) + "#";
      ASSERT_EQ(bench.echo(text), text);
      if (features == kEventIndex) bench.driver.want_interrupt_after(*bench.queue, bench.queue->next_used);
    }
    EXPECT_EQ(bench.kicks, 70000U);
    EXPECT_EQ(bench.interrupts, 70000U) << features;
  }
}

TEST(DevicesVirtqueue, FillsTheWholeRing) {
  Bench bench(kIndirect, 256);
  for (int i = 0; i < 256; ++i) bench.driver.offer(*bench.queue, {{bench.in, 1, false}});
  EXPECT_EQ(bench.served(), "");
  int taken = 0;
  while (bench.driver.take(*bench.queue)) ++taken;
  EXPECT_EQ(taken, 256);
  std::vector<DriverModel::Buffer> longest(256, {bench.in, 1, false});
  bench.driver.offer(*bench.queue, longest);
  EXPECT_EQ(bench.served(), "");
  EXPECT_TRUE(bench.driver.take(*bench.queue));
}

TEST(DevicesVirtqueue, PagesInARowAreOnePiece) {
  Chain chain;
  std::array<std::byte, 64> bytes{};
  chain.begin(7);
  chain.add(&bytes[0], 8, false);
  chain.add(&bytes[8], 8, false);
  chain.add(&bytes[20], 0, false);
  chain.add(&bytes[16], 8, true);
  chain.add(&bytes[24], 8, true);
  chain.add(&bytes[40], 1, true);
  EXPECT_EQ(chain.head(), 7);
  ASSERT_EQ(chain.readable().size(), 1U);
  EXPECT_EQ(chain.readable()[0].iov_len, 16U);
  ASSERT_EQ(chain.writable().size(), 2U);
  EXPECT_EQ(chain.writable()[0].iov_base, &bytes[16]);
  EXPECT_EQ(chain.take_last(), &bytes[40]);
  ASSERT_EQ(chain.writable().size(), 1U);
  std::array<std::byte, 20> more{};
  EXPECT_EQ(chain.read(more), 16U);
  EXPECT_EQ(chain.readable_bytes(), 0U);
  EXPECT_EQ(chain.take_last(), &bytes[31]);
  EXPECT_EQ(chain.write(more), 15U);
  EXPECT_EQ(chain.take_last(), nullptr);
  EXPECT_EQ(chain.writable_bytes(), 0U);
}

TEST(DevicesVirtqueue, InterruptsOnlyWhenAskedTo) {
  Bench bench(0);
  bench.driver.want_interrupts(*bench.queue, false);
  EXPECT_EQ(bench.echo("a"), "a");
  EXPECT_EQ(bench.interrupts, 0U);
  bench.driver.want_interrupts(*bench.queue, true);
  EXPECT_EQ(bench.interrupts, 0U);
  EXPECT_EQ(bench.echo("b"), "b");
  EXPECT_EQ(bench.interrupts, 1U);
}

TEST(DevicesVirtqueue, InterruptsWhenTheEventIndexIsPassed) {
  Bench bench(kEventIndex);
  bench.driver.want_interrupt_after(*bench.queue, 2);  // when the third is used
  EXPECT_EQ(bench.echo("1"), "1");
  EXPECT_EQ(bench.echo("2"), "2");
  EXPECT_EQ(bench.interrupts, 0U);
  EXPECT_EQ(bench.echo("3"), "3");
  EXPECT_EQ(bench.interrupts, 1U);
  EXPECT_EQ(bench.echo("4"), "4");
  EXPECT_EQ(bench.interrupts, 1U) << "not asked for again";
}

TEST(DevicesVirtqueue, ManyRequestsAreOneInterrupt) {
  for (const uint64_t features : {uint64_t{0}, kEventIndex}) {
    Bench bench(features);
    for (int i = 0; i < 8; ++i) bench.driver.offer(*bench.queue, {{bench.in, 1, false}});
    EXPECT_TRUE(bench.driver.kick(*bench.queue));
    bench.transport.serve();
    EXPECT_EQ(bench.interrupts, 1U);
  }
}

TEST(DevicesVirtqueue, ADriverNotifiesOnlyAnIdleDevice) {
  for (const uint64_t features : {uint64_t{0}, kEventIndex}) {
    Bench bench(features);
    bench.device.budget = 2;
    bench.driver.offer(*bench.queue, {{bench.in, 1, false}});
    EXPECT_TRUE(bench.driver.kick(*bench.queue));
    if (features == kEventIndex) {
      bench.driver.offer(*bench.queue, {{bench.in, 1, false}});
      EXPECT_FALSE(bench.driver.kick(*bench.queue)) << "it has been told, and not looked yet";
    }
    bench.transport.serve();
    bench.driver.offer(*bench.queue, {{bench.in, 1, false}});
    EXPECT_TRUE(bench.driver.kick(*bench.queue)) << "idle again";
    EXPECT_EQ(bench.kicks, 2U);
  }
}

TEST(DevicesVirtqueue, ABudgetThatIsSpentIsNotTheEnd) {
  Bench bench(kEventIndex);
  bench.device.budget = 1;
  for (int i = 0; i < 8; ++i) bench.driver.offer(*bench.queue, {{bench.in, 1, false}});
  bench.driver.kick(*bench.queue);
  while (bench.transport.serve()) {
  }
  EXPECT_EQ(bench.device.served, 8U);
  EXPECT_FALSE(bench.transport.marked());
}

TEST(DevicesVirtqueue, ServesWhatNobodyNotified) {
  Bench bench;
  bench.driver.offer(*bench.queue, {{bench.in, 1, false}});
  EXPECT_FALSE(bench.transport.marked());
  EXPECT_TRUE(bench.transport.serve());
  EXPECT_FALSE(bench.transport.serve());
}

TEST(DevicesVirtqueueHostile, TooManyAreOffered) {
  Bench bench;
  store<uint16_t>(bench.memory.at(bench.queue->available + 2), 9);
  EXPECT_EQ(bench.served(), "more buffers are offered than the queue has");
  EXPECT_EQ(bench.transport.fault()->value, 9U);
  EXPECT_EQ(bench.transport.fault()->limit, 8U);
  EXPECT_EQ(bench.broken, 1U);
  EXPECT_EQ(bench.transport.interrupt_status(), 2U) << "the configuration has changed";
}

TEST(DevicesVirtqueueHostile, TheIndexGoesBack) {
  Bench bench;
  EXPECT_EQ(bench.echo("a"), "a");
  store<uint16_t>(bench.memory.at(bench.queue->available + 2), 0);
  EXPECT_EQ(bench.served(), "more buffers are offered than the queue has");
}

TEST(DevicesVirtqueueHostile, Heads) {
  Bench bench;
  bench.driver.offer_head(*bench.queue, 8);
  EXPECT_EQ(bench.served(), "a chain starts at a descriptor that does not exist");
}

TEST(DevicesVirtqueueHostile, Links) {
  EXPECT_EQ(Bench().broken_by(0, 1, 1, 8), "a descriptor links to one that does not exist");
  EXPECT_EQ(Bench().broken_by(0, 1, 1, 0), "a chain is longer than the queue, or a loop") << "itself";
  Bench two;
  two.driver.descriptor(two.queue->descriptors, 1, 0, 1, 1, 0);
  EXPECT_EQ(two.broken_by(0, 1, 1, 1), "a chain is longer than the queue, or a loop");
}

TEST(DevicesVirtqueueHostile, Buffers) {
  constexpr uint64_t kEnd = 1 << 20;
  EXPECT_EQ(Bench().broken_by(kEnd - 1, 1, 0, 0), "");
  EXPECT_EQ(Bench().broken_by(kEnd, 0, 0, 0), "") << "nothing, at the very end";
  EXPECT_EQ(Bench().broken_by(kEnd - 1, 2, 0, 0), "a buffer lies outside memory");
  EXPECT_EQ(Bench().broken_by(kEnd, 1, 2, 0), "a buffer lies outside memory");
  EXPECT_EQ(Bench().broken_by(UINT64_MAX, 2, 2, 0), "a buffer lies outside memory");
  EXPECT_EQ(Bench().broken_by(UINT64_MAX - 0xfffffffe, 0xffffffff, 2, 0), "a buffer lies outside memory");
  Bench order;
  order.driver.descriptor(order.queue->descriptors, 1, 0, 1, 0, 0);
  EXPECT_EQ(order.broken_by(0, 1, 3, 1), "a readable descriptor follows a writable one");
}

TEST(DevicesVirtqueueHostile, AChainOfMoreThan4GiB) {
  // The whole address space is mapped once, without memory behind it, and offered over and over.
  constexpr uint64_t kSize = uint64_t{1} << 31;
  QueueSetup setup{.size = 8, .descriptors = 0, .available = 4096, .used = 8192};
  auto* base = static_cast<std::byte*>(
      ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  ASSERT_NE(base, MAP_FAILED);
  for (uint16_t i = 0; i < 3; ++i) {
    store<uint64_t>(base + size_t{16} * i, 0);
    store<uint32_t>(base + size_t{16} * i + 8, 0x7fffffff);
    store<uint16_t>(base + size_t{16} * i + 12, i < 2 ? 1 : 0);
    store<uint16_t>(base + size_t{16} * i + 14, static_cast<uint16_t>(i + 1));
  }
  store<uint16_t>(base + 4096 + 2, 1);
  Virtqueue queue;
  ASSERT_TRUE(queue.start({base, kSize}, setup));
  Chain chain;
  EXPECT_EQ(queue.pop(chain), Virtqueue::Pop::broken);
  EXPECT_EQ(queue.fault()->kind, QueueFault::Kind::chain_too_large);
  ::munmap(base, kSize);
}

TEST(DevicesVirtqueueHostile, IndirectTables) {
  EXPECT_EQ(Bench(0).broken_by(0, 16, 4, 0), "an indirect descriptor, which was not negotiated");
  EXPECT_EQ(Bench().broken_by(4096, 16, 5, 1), "an indirect descriptor that has a next one");
  EXPECT_EQ(Bench().broken_by(4096, 0, 4, 0), "an indirect table of no whole number of descriptors");
  EXPECT_EQ(Bench().broken_by(4096, 17, 4, 0), "an indirect table of no whole number of descriptors");
  EXPECT_EQ(Bench().broken_by((1 << 20) - 15, 16, 4, 0), "an indirect table lies outside memory");
  EXPECT_EQ(Bench().broken_by(0, 0xfffffff0, 4, 0), "an indirect table lies outside memory");

  Bench inside;
  inside.driver.descriptor(inside.in, 0, inside.in, 16, 4, 0);
  EXPECT_EQ(inside.broken_by(inside.in, 16, 4, 0), "an indirect descriptor inside an indirect table");
  Bench link;
  link.driver.descriptor(link.in, 0, 0, 1, 1, 1);
  EXPECT_EQ(link.broken_by(link.in, 16, 4, 0), "a descriptor links to one that does not exist");
  Bench loop;
  loop.driver.descriptor(loop.in, 0, 0, 1, 1, 0);
  EXPECT_EQ(loop.broken_by(loop.in, 32, 4, 0), "a chain is longer than the queue, or a loop");
  Bench odd;
  odd.driver.descriptor(odd.in + 16, 0, 0, 1, 0, 0);
  std::memmove(odd.memory.at(odd.in + 1), odd.memory.at(odd.in + 16), 16);
  EXPECT_EQ(odd.broken_by(odd.in + 1, 16, 4, 0), "") << "a table needs no alignment";
}

TEST(DevicesVirtqueueHostile, OneMayComeAfterPlainDescriptors) {
  Bench bench;
  std::memcpy(bench.memory.at(bench.in), "abcd", 4);
  const uint64_t table = bench.driver.allocate(64, 16);
  bench.driver.descriptor(bench.queue->descriptors, 1, table, 32, 4 | 2,
                          0);  // WRITE means nothing there: 2.7.5.3.2
  bench.driver.descriptor(table, 0, bench.in + 2, 2, 1, 1);
  bench.driver.descriptor(table, 1, bench.out, 8, 2, 0);
  EXPECT_EQ(bench.broken_by(bench.in, 2, 1, 1), "");
  EXPECT_EQ(bench.driver.take(*bench.queue)->written, 4U);
  EXPECT_EQ(std::memcmp(bench.memory.at(bench.out), "abcd", 4), 0);
}

TEST(DevicesVirtqueueHostile, TheSameChainTwice) {
  Bench bench;
  bench.driver.descriptor(bench.queue->descriptors, 0, bench.in, 1, 0, 0);
  bench.driver.offer_head(*bench.queue, 0);
  bench.driver.offer_head(*bench.queue, 0);
  EXPECT_EQ(bench.served(), "") << "each is a request: the driver harms only itself";
}

TEST(DevicesVirtqueueHostile, RingsThatAreNone) {
  const auto fault = [](QueueSetup setup) {
    const TestMemory memory(65536);
    Virtqueue queue;
    EXPECT_FALSE(queue.start(memory.guest(), setup));
    EXPECT_FALSE(queue.running());
    Chain chain;
    EXPECT_EQ(queue.pop(chain), Virtqueue::Pop::broken);
    return queue.fault()->line();
  };
  const QueueSetup good{.size = 8, .descriptors = 0, .available = 4096, .used = 8192};
  const auto with = [&](auto change) {
    QueueSetup setup = good;
    change(setup);
    return fault(setup);
  };
  EXPECT_EQ(with([](auto& s) { s.size = 0; }),
            "the queue's size is no power of two or too great (0x0, limit 0x100)");
  EXPECT_EQ(with([](auto& s) { s.size = 3; }),
            "the queue's size is no power of two or too great (0x3, limit 0x100)");
  EXPECT_EQ(with([](auto& s) { s.size = 512; }),
            "the queue's size is no power of two or too great (0x200, limit 0x100)");
  EXPECT_EQ(with([](auto& s) { s.size = s.max_size = 65536; }),
            "the queue's size is no power of two or too great (0x10000, limit 0x10000)");
  EXPECT_EQ(with([](auto& s) { s.descriptors = 8; }), "a ring is not aligned (0x8, limit 0x10)");
  EXPECT_EQ(with([](auto& s) { s.available = 1; }), "a ring is not aligned (0x1, limit 0x2)");
  EXPECT_EQ(with([](auto& s) { s.used = 2; }), "a ring is not aligned (0x2, limit 0x4)");
  EXPECT_EQ(with([](auto& s) { s.descriptors = 65536 - 112; }),
            "a ring lies outside memory (0xff90, limit 0x80)");
  EXPECT_EQ(with([](auto& s) { s.available = 65536 - 20; }),
            "a ring lies outside memory (0xffec, limit 0x16)");
  EXPECT_EQ(with([](auto& s) { s.used = UINT64_MAX - 3; }),
            "a ring lies outside memory (0xfffffffffffffffc, limit 0x46)");
}

TEST(DevicesVirtqueueHostile, ABrokenDeviceWorksAgainAfterAReset) {
  Bench bench;
  bench.driver.offer_head(*bench.queue, 99);
  EXPECT_NE(bench.served(), "");
  EXPECT_EQ(bench.echo("x"), "nothing came back");
  EXPECT_EQ(bench.broken, 1U) << "told once";
  bench.driver.negotiate();
  EXPECT_EQ(bench.transport.fault(), std::nullopt);
  bench.queue = &bench.driver.add_queue(0, 8);
  bench.driver.start();
  EXPECT_EQ(bench.echo("x"), "x");
}

}  // namespace sandstone::devices
