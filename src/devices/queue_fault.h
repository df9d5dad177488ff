// QueueFault: what a driver did that only a broken or malicious one does, with the values that show it.
#pragma once

#include <cstdint>
#include <string>

namespace sandstone::devices {

struct QueueFault {
  enum class Kind : uint8_t {
    bad_size,                 // value: the queue's size; limit: the greatest
    misaligned_ring,          // value: the address; limit: the alignment
    ring_outside_memory,      // value: the address; limit: the ring's bytes
    available_too_far_ahead,  // value: how many are offered; limit: the queue's size
    head_out_of_range,        // value: the descriptor's index; limit: the queue's size
    next_out_of_range,        // the same, of a link; limit: the table's size
    chain_too_long,           // a loop, or too many pieces; limit: how many may be
    chain_too_large,          // value: bytes so far; limit: what fits in 32 bits
    buffer_outside_memory,    // value: the address; limit: the length asked for
    readable_after_writable,  // value: the descriptor's index
    indirect_not_negotiated,  // value: the descriptor's index
    indirect_inside_indirect,
    indirect_with_next,
    bad_indirect_length,      // value: the table's length in bytes
    indirect_outside_memory,  // value: the address; limit: the length
    bad_request,              // value: bytes of the request that are there; limit: how many there must be
  };
  Kind kind;
  uint64_t value = 0;
  uint64_t limit = 0;

  [[nodiscard]] std::string line()
      const;  // for a person: one line, numbers only, nothing of the guest's text
  bool operator==(const QueueFault&) const = default;
};

[[nodiscard]] const char* to_string(QueueFault::Kind kind);

}  // namespace sandstone::devices
