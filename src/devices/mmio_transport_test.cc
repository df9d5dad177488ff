#include "devices/mmio_transport.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "devices/device_thread.h"
#include "devices/driver_model.h"
#include "devices/echo_device.h"
#include "devices/worker.h"

namespace sandstone::devices {
namespace {

constexpr uint32_t kAcknowledge = VIRTIO_CONFIG_S_ACKNOWLEDGE;
constexpr uint32_t kDriver = VIRTIO_CONFIG_S_DRIVER;
constexpr uint32_t kFeaturesOk = VIRTIO_CONFIG_S_FEATURES_OK;
constexpr uint32_t kDriverOk = VIRTIO_CONFIG_S_DRIVER_OK;

struct Bench {
  TestMemory memory{1 << 20};
  EchoDevice device{{256, 16}};
  std::atomic<unsigned> interrupts = 0;
  std::atomic<unsigned> kicks = 0;
  MmioTransport transport{memory.guest(),
                          device,
                          {.interrupt = [this] { ++interrupts; }, .kick = [this] { ++kicks; }, .broken = {}}};
  DriverModel driver{memory, transport};
};

uint32_t status_after(Bench& bench, std::initializer_list<uint32_t> writes) {
  for (const uint32_t value : writes) bench.driver.set(VIRTIO_MMIO_STATUS, value);
  return bench.driver.get(VIRTIO_MMIO_STATUS);
}

}  // namespace

TEST(DevicesMmio, SaysWhatItIs) {
  Bench bench;
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976U);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_VERSION), 2U);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_DEVICE_ID), 42U);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_DEVICE_FEATURES), 5U | 1U << 28 | 1U << 29);
  bench.driver.set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_DEVICE_FEATURES), 1U);
  bench.driver.set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_DEVICE_FEATURES), 0U);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_QUEUE_NUM_MAX), 256U);
  bench.driver.set(VIRTIO_MMIO_QUEUE_SEL, 1);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_QUEUE_NUM_MAX), 16U);
  bench.driver.set(VIRTIO_MMIO_QUEUE_SEL, 2);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_QUEUE_NUM_MAX), 0U);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);
}

TEST(DevicesMmio, StatusGoesInOrder) {
  Bench bench;
  EXPECT_EQ(status_after(bench, {0, kDriver}), 0U);
  EXPECT_EQ(status_after(bench, {0, kAcknowledge | kFeaturesOk}), kAcknowledge);
  EXPECT_EQ(status_after(bench, {0, kAcknowledge | kDriver}), kAcknowledge | kDriver);
  EXPECT_EQ(status_after(bench, {kAcknowledge}), kAcknowledge | kDriver) << "bits are not taken back";
  EXPECT_EQ(status_after(bench, {kFeaturesOk}), kAcknowledge | kDriver) << "without VERSION_1";
  EXPECT_EQ(status_after(bench, {kDriverOk}), kAcknowledge | kDriver);
  ASSERT_TRUE(bench.driver.negotiate(4));
  bench.driver.start();
  EXPECT_EQ(bench.device.started_with, MmioTransport::kVersion1 | 4);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_STATUS), kAcknowledge | kDriver | kFeaturesOk | kDriverOk);
  const unsigned before = bench.device.resets;
  EXPECT_EQ(status_after(bench, {0}), 0U);
  EXPECT_EQ(bench.device.resets, before + 1);
}

TEST(DevicesMmio, RefusesFeaturesThatItHasNotOffered) {
  Bench bench;
  for (const uint32_t feature : {2U, 1U << 27}) {
    status_after(bench, {0, kAcknowledge, kDriver});
    bench.driver.set(VIRTIO_MMIO_DRIVER_FEATURES, feature);
    bench.driver.set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    bench.driver.set(VIRTIO_MMIO_DRIVER_FEATURES, 1);
    EXPECT_EQ(status_after(bench, {kFeaturesOk}), kAcknowledge | kDriver);
  }
}

TEST(DevicesMmio, FeaturesAreFixedOnceAgreed) {
  Bench bench;
  ASSERT_TRUE(bench.driver.negotiate());
  bench.driver.set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
  bench.driver.set(VIRTIO_MMIO_DRIVER_FEATURES, 2);
  bench.driver.start();
  EXPECT_EQ(bench.device.started_with, MmioTransport::kVersion1);
}

TEST(DevicesMmio, QueuesAreSetUpOnlyAfterFeatures) {
  Bench bench;
  bench.driver.set_up(0, 8, 0, 4096, 8192);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_QUEUE_READY), 0U);
  ASSERT_TRUE(bench.driver.negotiate());
  bench.driver.set_up(0, 8, 0, 4096, 8192);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_QUEUE_READY), 1U);
  bench.driver.set(VIRTIO_MMIO_QUEUE_READY, 0);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_QUEUE_READY), 0U);
  bench.driver.set_up(2, 8, 0, 4096, 8192);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_QUEUE_READY), 0U) << "there is no such queue";
  bench.driver.set_up(1, 32, 0, 4096, 8192);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_QUEUE_READY), 0U);
  EXPECT_EQ(bench.transport.fault()->kind, QueueFault::Kind::bad_size);
  bench.driver.start();
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_STATUS) & kDriverOk, 0U) << "it needs a reset first";
}

TEST(DevicesMmio, ARunningRingStaysWhereItIs) {
  Bench bench;
  bench.driver.negotiate();
  DriverModel::Queue& queue = bench.driver.add_queue(0, 8);
  bench.driver.start();
  bench.driver.set(VIRTIO_MMIO_QUEUE_NUM, 256);
  bench.driver.set_address(VIRTIO_MMIO_QUEUE_DESC_LOW, 1 << 19);
  bench.driver.offer(queue, {{0, 1, false}});
  EXPECT_TRUE(bench.transport.serve());
  EXPECT_TRUE(bench.driver.take(queue));
}

TEST(DevicesMmio, OddAccessesDoNothing) {
  Bench bench;
  EXPECT_EQ(bench.transport.read(VIRTIO_MMIO_MAGIC_VALUE, 2), 0U);
  EXPECT_EQ(bench.transport.read(1, 4), 0U);
  EXPECT_EQ(bench.transport.read(0x48, 4), 0U);
  EXPECT_EQ(bench.transport.read(0x200, 4), 0U);
  EXPECT_EQ(bench.transport.read(UINT32_MAX, 4), 0U);
  bench.transport.write(0x200, 1, 4);
  bench.transport.write(UINT32_MAX, 1, 1);
  bench.transport.write(VIRTIO_MMIO_STATUS, 1, 1);
  bench.transport.write(VIRTIO_MMIO_QUEUE_NOTIFY, 2, 4);
  bench.transport.write(VIRTIO_MMIO_QUEUE_NOTIFY, UINT32_MAX, 4);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_STATUS), 0U);
  EXPECT_EQ(bench.kicks, 0U);
}

TEST(DevicesMmio, ReadsAndWritesTheConfiguration) {
  Bench bench;
  EXPECT_EQ(bench.transport.read(0x100, 4), 0x6c6c6568U) << "hell";
  EXPECT_EQ(bench.transport.read(0x104, 4), 0x216fU) << "zeros after its end";
  EXPECT_EQ(bench.transport.read(0x105, 1), '!');
  EXPECT_EQ(bench.transport.read(0x103, 2), 0x6f6cU);
  EXPECT_EQ(bench.transport.read(0x1fe, 4), 0U);
  EXPECT_EQ(bench.transport.read(0x100, 3), 0U);
  bench.transport.write(0x104, 0x6161, 2);
  EXPECT_EQ(bench.transport.read(0x104, 2), 0x6161U);
}

TEST(DevicesMmio, TellsOfAChangedConfigurationOnlyWhoIsReady) {
  Bench bench;
  const uint32_t before = bench.driver.get(VIRTIO_MMIO_CONFIG_GENERATION);
  bench.device.configuration_changed();
  EXPECT_EQ(bench.interrupts, 0U);
  EXPECT_NE(bench.driver.get(VIRTIO_MMIO_CONFIG_GENERATION), before);
  bench.driver.negotiate();
  bench.driver.start();
  bench.device.configuration_changed();
  EXPECT_EQ(bench.interrupts, 1U);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_INTERRUPT_STATUS), 2U);
  bench.driver.set(VIRTIO_MMIO_INTERRUPT_ACK, 2);
  EXPECT_EQ(bench.driver.get(VIRTIO_MMIO_INTERRUPT_STATUS), 0U);
}

TEST(DevicesMmio, WhatIsOfferedBeforeTheDriverIsReadyIsServedThen) {
  Bench bench;
  bench.driver.negotiate();
  DriverModel::Queue& queue = bench.driver.add_queue(0, 8);
  bench.driver.offer(queue, {{0, 1, false}});
  bench.driver.kick(queue);
  EXPECT_FALSE(bench.transport.serve());
  const unsigned before = bench.kicks;
  bench.driver.start();
  EXPECT_GT(bench.kicks, before);
  EXPECT_TRUE(bench.transport.serve());
}

TEST(DevicesMmio, ADriverThatNeverStopsDoesNotHoldTheThread) {
  Bench bench;
  bench.driver.negotiate();
  DriverModel::Queue& queue = bench.driver.add_queue(0, 8);
  bench.driver.start();
  bench.driver.descriptor(queue.descriptors, 0, 0, 1, 0, 0);
  bench.device.on_request = [&] { bench.driver.offer_head(queue, 0); };  // one more for each that is done
  bench.device.on_request();
  const unsigned before = bench.kicks;
  EXPECT_TRUE(bench.transport.serve());
  EXPECT_EQ(bench.device.served, 16 * bench.device.budget);
  EXPECT_TRUE(bench.transport.marked());
  EXPECT_EQ(bench.kicks, before + 1) << "to be called again";
}

TEST(DevicesMmio, AKickWithoutARegisterIsEnough) {
  TestMemory memory(1 << 20);
  EchoDevice device;
  DeviceThread thread(memory.guest(), device, {});
  ASSERT_TRUE(thread.start());
  DriverModel driver(memory, thread.transport());
  driver.negotiate();
  DriverModel::Queue& queue = driver.add_queue(0, 8);
  driver.start();
  for (int i = 0; i < 100; ++i) {
    driver.offer(queue, {{0, 1, false}});
    const uint64_t one = 1;
    ASSERT_EQ(::write(thread.kick_fd(), &one, sizeof one), 8);
    while (!driver.take(queue)) std::this_thread::yield();
  }
}

TEST(DevicesMmio, AnInterruptMayServeAtOnce) {
  TestMemory memory(1 << 20);
  EchoDevice device;
  MmioTransport* self = nullptr;
  DriverModel::Queue* queue = nullptr;
  DriverModel* driver_of = nullptr;
  int rounds = 0;
  MmioTransport transport(memory.guest(), device,
                          {.interrupt =
                               [&] {
                                 self->write(VIRTIO_MMIO_INTERRUPT_ACK, self->interrupt_status(), 4);
                                 while (driver_of->take(*queue)) {
                                 }
                                 if (++rounds > 100) return;
                                 driver_of->offer(*queue, {{0, 1, false}});
                                 driver_of->kick(*queue);
                                 self->serve();
                               },
                           .kick = {},
                           .broken = {}});
  DriverModel driver(memory, transport);
  self = &transport;
  driver_of = &driver;
  driver.negotiate();
  queue = &driver.add_queue(0, 8);
  driver.start();
  driver.offer(*queue, {{0, 1, false}});
  driver.kick(*queue);
  transport.serve();
  EXPECT_EQ(rounds, 101);
}

TEST(DevicesMmio, TwoThreadsServeAndADriverResets) {
  TestMemory memory(1 << 20);
  EchoDevice device;
  Worker first;
  Worker second;
  std::atomic<unsigned> interrupts = 0;
  MmioTransport transport(
      memory.guest(), device,
      {.interrupt = [&] { ++interrupts; }, .kick = [&] { first.kick(), second.kick(); }, .broken = {}});
  ASSERT_TRUE(first.start([&] { transport.serve(); }));
  ASSERT_TRUE(second.start([&] { transport.try_serve(); }));
  DriverModel driver(memory, transport);
  for (int round = 0; round < 200; ++round) {
    driver.free_down_to(0);
    driver.negotiate(round % 2 ? MmioTransport::kEventIndex : 0);
    DriverModel::Queue& queue = driver.add_queue(0, 16);
    driver.start();
    const uint64_t buffer = driver.allocate(64, 1);
    for (unsigned i = 0; i < (round % 3 == 0 ? 8 : 20); ++i) {
      driver.offer(queue, {{buffer, 8, false}, {buffer + 8, 8, true}});
      driver.kick(queue);
      if (round % 3 == 0) continue;  // leaves it to the reset
      std::optional<DriverModel::Used> used;
      while (!(used = driver.take(queue))) std::this_thread::yield();
      ASSERT_EQ(used->written, 8U);
    }
    if (round % 3 == 0)
      for (unsigned taken = 0; taken < 4;) taken += driver.take(queue) ? 1 : 0;
  }
  first.stop();
  second.stop();
}

TEST(DevicesWorker, RunsForEachKickAndEnds) {
  std::atomic<int> runs = 0;
  Worker worker;
  worker.kick();
  ASSERT_TRUE(worker.start([&] { ++runs; }));
  EXPECT_FALSE(worker.start([] {})) << "twice";
  while (runs < 2) std::this_thread::yield();  // at the start, and for the early kick
  worker.kick();
  while (runs < 3) std::this_thread::yield();
  worker.stop();
  const int at_end = runs;
  worker.kick();
  EXPECT_EQ(runs, at_end);
}

}  // namespace sandstone::devices
