#include "devices/queue_fault.h"

#include <fmt/format.h>

namespace sandstone::devices {

const char* to_string(QueueFault::Kind kind) {
  using Kind = QueueFault::Kind;
  switch (kind) {
    case Kind::bad_size:
      return "the queue's size is no power of two or too great";
    case Kind::misaligned_ring:
      return "a ring is not aligned";
    case Kind::ring_outside_memory:
      return "a ring lies outside memory";
    case Kind::available_too_far_ahead:
      return "more buffers are offered than the queue has";
    case Kind::head_out_of_range:
      return "a chain starts at a descriptor that does not exist";
    case Kind::next_out_of_range:
      return "a descriptor links to one that does not exist";
    case Kind::chain_too_long:
      return "a chain is longer than the queue, or a loop";
    case Kind::chain_too_large:
      return "a chain has more than 4 GiB";
    case Kind::buffer_outside_memory:
      return "a buffer lies outside memory";
    case Kind::readable_after_writable:
      return "a readable descriptor follows a writable one";
    case Kind::indirect_not_negotiated:
      return "an indirect descriptor, which was not negotiated";
    case Kind::indirect_inside_indirect:
      return "an indirect descriptor inside an indirect table";
    case Kind::indirect_with_next:
      return "an indirect descriptor that has a next one";
    case Kind::bad_indirect_length:
      return "an indirect table of no whole number of descriptors";
    case Kind::indirect_outside_memory:
      return "an indirect table lies outside memory";
    case Kind::bad_request:
      return "a request is too short to be one";
  }
  return "unknown";
}

std::string QueueFault::line() const {
  return fmt::format("{} ({:#x}, limit {:#x})", to_string(kind), value, limit);
}

}  // namespace sandstone::devices
