#include "observe/ring.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <thread>

#include "observe/capture.h"

namespace sandstone::observe {
namespace {

constexpr size_t kCapacity = 4096;

struct Memory {
  explicit Memory(size_t capacity = kCapacity)
      : bytes(static_cast<std::byte*>(std::aligned_alloc(64, RingMemory::bytes_for(capacity)))) {
    std::memset(bytes.get(), 0, RingMemory::bytes_for(capacity));
  }
  RingMemory& ring() { return *reinterpret_cast<RingMemory*>(bytes.get()); }
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> bytes;
};

Record numbered(uint64_t number) {
  Record record{};
  record.time = number;
  record.captured = static_cast<uint16_t>(number % (Record::kMemory + 1));
  std::memset(record.memory, static_cast<int>(number & 0xff), record.captured);
  return record;
}

void expect_numbered(const Record& record, uint64_t number) {
  const Record wanted = numbered(number);
  ASSERT_EQ(record.time, number);
  ASSERT_EQ(record.captured, wanted.captured);
  ASSERT_EQ(std::memcmp(record.memory, wanted.memory, wanted.captured), 0);
}

TEST(TraceRing, GivesBackWhatWasPutInAroundTheEnd) {
  Memory memory;
  RingWriter writer(memory.bytes.get(), kCapacity);
  RingReader reader(memory.bytes.get(), kCapacity);
  Record record;
  EXPECT_FALSE(reader.pop(record));
  uint64_t next = 0;
  for (uint64_t number = 0; number < 2000; ++number) {
    ASSERT_TRUE(writer.push(numbered(number)));
    if (number % 3 != 2) continue;
    while (reader.pop(record)) expect_numbered(record, next++);
  }
  while (reader.pop(record)) expect_numbered(record, next++);
  EXPECT_EQ(next, 2000U);
  EXPECT_EQ(reader.take_dropped(), 0U);
  EXPECT_EQ(reader.broken(), 0U);
}

TEST(TraceRing, CountsWhatHasNoRoom) {
  Memory memory;
  RingWriter writer(memory.bytes.get(), kCapacity);
  RingReader reader(memory.bytes.get(), kCapacity);
  uint64_t fitted = 0;
  for (unsigned i = 0; i < 100; ++i) fitted += writer.push(numbered(0));
  EXPECT_EQ(fitted, kCapacity / kSmallestEntry);
  EXPECT_EQ(reader.take_dropped(), 100 - fitted);
  EXPECT_EQ(reader.take_dropped(), 0U);
  Record record;
  while (reader.pop(record)) --fitted;
  EXPECT_EQ(fitted, 0U);
  EXPECT_TRUE(writer.push(numbered(0)));
}

TEST(TraceRing, DropsWhatASignalHandlerPutsOnTop) {
  Memory memory;
  RingWriter writer(memory.bytes.get(), kCapacity);
  RingReader reader(memory.bytes.get(), kCapacity);
  memory.ring().writing = 1;  // as if the handler had come in the middle
  EXPECT_FALSE(writer.push(numbered(1)));
  memory.ring().writing = 0;
  EXPECT_TRUE(writer.push(numbered(2)));
  Record record;
  ASSERT_TRUE(reader.pop(record));
  EXPECT_EQ(record.time, 2U);
  EXPECT_EQ(reader.take_dropped(), 1U);
}

TEST(TraceRing, TwoThreads) {
  Memory memory;
  constexpr uint64_t kCount = 200000;
  std::thread producer([&] {
    RingWriter writer(memory.bytes.get(), kCapacity);
    for (uint64_t number = 0; number < kCount;) {
      if (writer.push(numbered(number)))
        ++number;
      else
        std::this_thread::yield();
    }
  });
  RingReader reader(memory.bytes.get(), kCapacity);
  Record record;
  for (uint64_t next = 0; next < kCount && !testing::Test::HasFatalFailure();) {
    if (reader.pop(record))
      expect_numbered(record, next++);
    else
      std::this_thread::yield();
  }
  producer.join();
  EXPECT_EQ(reader.broken(), 0U);
}

TEST(TraceRing, HostileContentEndsAndNeverLies) {
  std::mt19937_64 random(20);
  for (unsigned round = 0; round < 2000; ++round) {
    Memory memory;
    RingReader reader(memory.bytes.get(), kCapacity);
    for (size_t i = 0; i < kCapacity / 8; ++i)
      memory.ring().words[i] = random() % 4 != 0 ? kSmallestEntry + random() % 300 : random();
    for (unsigned step = 0; step < 20; ++step) {
      memory.ring().head = random() % 3 != 0 ? random() % (2 * kCapacity) : random();
      memory.ring().tail = random();
      Record record;
      unsigned popped = 0;
      while (reader.pop(record)) {
        ASSERT_LE(record.captured, Record::kMemory);
        ASSERT_LE(record.disposition, Disposition::refused);
        ASSERT_LE(record.transport, Transport::notified);
        ASSERT_LE(++popped, kCapacity / kSmallestEntry);
      }
    }
  }
}

TEST(TraceRing, GoesOnAfterNonsense) {
  Memory memory;
  RingWriter writer(memory.bytes.get(), kCapacity);
  RingReader reader(memory.bytes.get(), kCapacity);
  Record record;
  ASSERT_TRUE(writer.push(numbered(1)));
  memory.ring().words[0] = 7;
  EXPECT_FALSE(reader.pop(record));
  EXPECT_EQ(reader.broken(), 1U);
  ASSERT_TRUE(writer.push(numbered(2)));
  ASSERT_TRUE(reader.pop(record));
  expect_numbered(record, 2);
}

size_t copy_here(void* to, uint64_t from, size_t length) {
  std::memcpy(to, reinterpret_cast<const void*>(from), length);  // NOLINT(performance-no-int-to-ptr)
  return length;
}

// No assertion: prints what a record costs, capture and ring together.
void measure(const char* name, uint32_t number, const uint64_t (&args)[6], int64_t result) {
  constexpr size_t kRoom = 1 << 20;
  Memory memory(kRoom);
  RingWriter writer(memory.bytes.get(), kRoom);
  constexpr unsigned kBatch = 2000;
  double best = 1e9;
  for (unsigned round = 0; round < 50; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (unsigned i = 0; i < kBatch; ++i) {
      Record record;
      record.time = i;
      record.pid = record.tid = 1;
      record.duration = 0;
      record.disposition = Disposition::library;
      record.transport = Transport::rewritten;
      capture_entry(record, number, args, copy_here);
      capture_exit(record, result, copy_here);
      writer.push(record);
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    best = std::min(best, took.count() / kBatch);
    memory.ring().tail = memory.ring().head;
  }
  std::printf("    %-28s %5.1f ns\n", name, best);
}

TEST(TraceRing, CostOfARecord) {
  const char path[64] = "/usr/lib/x86_64-linux-gnu/libc.so.6";
  char buffer[4096] = "root:x:0:0:root:/root:/bin/bash\n";
  const auto at = [](const void* memory) { return reinterpret_cast<uint64_t>(memory); };
  measure("getppid", SYS_getppid, {}, 1);
  measure("close", SYS_close, {3}, 0);
  measure("read of 4096", SYS_read, {3, at(buffer), 4096}, 4096);
  measure("write of 1", SYS_write, {3, at(buffer), 1}, 1);
  measure("openat, a path of 35", SYS_openat, {static_cast<uint64_t>(-100), at(path), 0, 0}, 3);
  measure("newfstatat, the same path", SYS_newfstatat, {static_cast<uint64_t>(-100), at(path), at(buffer), 0},
          0);
}

}  // namespace
}  // namespace sandstone::observe
