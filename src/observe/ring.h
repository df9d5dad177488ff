// A ring of Records in shared memory: one thread of a guest writes, one supervisor's thread reads.
//
// The writer never waits: what has no room is counted as dropped. The reader trusts nothing in the memory: it
// copies a record out once, by word, and checks the copy; its own place is never read back. All places count
// bytes from the start of time and are taken modulo the capacity, so nothing in the memory is an address and
// every process may map it anywhere.
#pragma once

#include "observe/record.h"

namespace sandstone::observe {

struct RingMemory {
  alignas(64) uint64_t head;  // the writer's place: everything before it is complete
  uint64_t dropped;
  uint64_t writing;           // 1 while a record is put in: a signal handler's push on top of it is dropped
  uint64_t tail_seen;         // the reader's place as the writer last looked: its line is another CPU's
  alignas(64) uint64_t tail;  // the reader's place
  alignas(64) uint64_t words[];  // the capacity, in words

  static constexpr size_t kHeader = 128;

  // Bytes of memory for a capacity in bytes, which is a power of two, 4 KiB at least.
  static constexpr size_t bytes_for(size_t capacity) { return kHeader + capacity; }
};
static_assert(offsetof(RingMemory, words) == RingMemory::kHeader);

// A record in the ring: its size in bytes with this word, a multiple of 8, and then the first bytes of a
// Record.
inline constexpr size_t kSmallestEntry = 8 + kRecordHeader;
inline constexpr size_t kLargestEntry = 8 + sizeof(Record);

// The writer's side. Zeroed memory is an empty ring. Freestanding.
class RingWriter {
 public:
  RingWriter(void* memory, size_t capacity)
      : ring_(static_cast<RingMemory*>(memory)), mask_(capacity / 8 - 1) {}

  // Says that a record will follow soon: the reader's CPU has the lines, and to take them from it one by one
  // when they are written would cost more than all the rest of a record.
  void prepare() {
    constexpr uint64_t kLine = 64;
    const uint64_t head = __atomic_load_n(&ring_->head, __ATOMIC_RELAXED);
    for (uint64_t at = 0; at < kUsualEntry; at += kLine)
      asm volatile("prefetchw %0" : : "m"(ring_->words[(head + at) / 8 & mask_]));
  }

  // False if it was dropped.
  bool push(const Record& record) {
    RingMemory& ring = *ring_;
    if (__atomic_load_n(&ring.writing, __ATOMIC_RELAXED) != 0) return drop();
    __atomic_store_n(&ring.writing, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    const uint64_t head = __atomic_load_n(&ring.head, __ATOMIC_RELAXED);
    const uint64_t words = (kRecordHeader + record.captured + 7) / 8;
    const uint64_t size = 8 + words * 8;
    const bool kept = size <= kLargestEntry && has_room(head + size);
    if (kept) {
      const auto* from = reinterpret_cast<const Word*>(&record);
      uint64_t at = head / 8;
      put(at, size);
      for (uint64_t i = 0; i < words; ++i) put(at + 1 + i, from[i]);
      __atomic_store_n(&ring.head, head + size, __ATOMIC_RELEASE);
    }
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&ring.writing, 0, __ATOMIC_RELAXED);
    return kept || drop();
  }

 private:
  using Word __attribute__((may_alias)) = uint64_t;
  static constexpr uint64_t kUsualEntry = 256;  // bytes: the call's words, a path and a struct

  bool drop() {
    uint64_t& dropped = ring_->dropped;
    __atomic_store_n(&dropped, __atomic_load_n(&dropped, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
    return false;
  }

  bool has_room(uint64_t end) {
    if (end - __atomic_load_n(&ring_->tail_seen, __ATOMIC_RELAXED) <= (mask_ + 1) * 8) return true;
    const uint64_t tail = __atomic_load_n(&ring_->tail, __ATOMIC_ACQUIRE);
    __atomic_store_n(&ring_->tail_seen, tail, __ATOMIC_RELAXED);
    return end - tail <= (mask_ + 1) * 8;
  }

  // Atomic, so that no compiler makes a call of memcpy of the loop; on x86-64 it is a plain move.
  void put(uint64_t at, uint64_t word) {
    __atomic_store_n(&ring_->words[at & mask_], word, __ATOMIC_RELAXED);
  }

  RingMemory* ring_;
  uint64_t mask_;
};

// The reader's side.
class RingReader {
 public:
  RingReader(void* memory, size_t capacity)
      : ring_(static_cast<RingMemory*>(memory)), mask_(capacity / 8 - 1) {}

  // The next record, or false if there is none. What `record` holds then is sane in this much: `captured` is
  // what was in the ring, and the enums are in range. Everything else is the guest's word.
  bool pop(Record& record) {
    if (tail_ == head_seen_) {
      publish();
      head_seen_ = __atomic_load_n(&ring_->head, __ATOMIC_ACQUIRE);
      if (tail_ == head_seen_) return false;
    }
    const uint64_t available = head_seen_ - tail_;
    const uint64_t size = available <= (mask_ + 1) * 8 && available % 8 == 0 ? get(tail_ / 8) : 0;
    if (size < kSmallestEntry || size > kLargestEntry || size % 8 != 0 || size > available) return give_up();
    auto* to = reinterpret_cast<Word*>(&record);
    for (uint64_t i = 0; i < size / 8 - 1; ++i) to[i] = get(tail_ / 8 + 1 + i);
    tail_ += size;
    if (tail_ - published_ > (mask_ + 1) * 8 / kShare) publish();
    return is_sane(record, size - 8) || give_up();
  }

  // Since the last time it was asked: records that the writer says it had no room for.
  uint64_t take_dropped() {
    const uint64_t now = __atomic_load_n(&ring_->dropped, __ATOMIC_RELAXED);
    const uint64_t since = now - dropped_seen_;
    dropped_seen_ = now;
    return since;
  }

  // How often the content made no sense: only a guest that writes there itself does that.
  [[nodiscard]] uint64_t broken() const { return broken_; }

 private:
  using Word __attribute__((may_alias)) = uint64_t;

  static bool is_sane(const Record& record, uint64_t bytes) {
    return (kRecordHeader + record.captured + 7) / 8 * 8 == bytes && record.captured <= Record::kMemory &&
           record.disposition <= Disposition::refused && record.transport <= Transport::notified;
  }

  [[nodiscard]] uint64_t get(uint64_t at) const {
    return __atomic_load_n(&ring_->words[at & mask_], __ATOMIC_RELAXED);
  }

  void publish() {
    if (published_ == tail_) return;
    published_ = tail_;
    __atomic_store_n(&ring_->tail, tail_, __ATOMIC_RELEASE);
  }

  // Skips all that there is: where the next record begins is not known.
  bool give_up() {
    ++broken_;
    head_seen_ = __atomic_load_n(&ring_->head, __ATOMIC_ACQUIRE) & ~uint64_t{7};
    tail_ = head_seen_;
    publish();
    return false;
  }

  // The writer is told of room for its records in so many parts of the capacity, and whenever there is none
  // left to read: told of each, it would fetch our cache line for each.
  static constexpr uint64_t kShare = 8;

  RingMemory* ring_;
  uint64_t mask_;
  uint64_t tail_ = 0;
  uint64_t head_seen_ = 0;  // the writer's place when all before it had been read
  uint64_t published_ = 0;  // what the writer knows of tail_
  uint64_t dropped_seen_ = 0;
  uint64_t broken_ = 0;
};

}  // namespace sandstone::observe
