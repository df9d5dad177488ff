#include "rewrite/trampolines.h"

#include <cstring>
#include <limits>

namespace sandstone::rewrite {
namespace {

constexpr size_t kAlignment = 16;        // a trampoline then mostly takes one line of the instruction cache
constexpr std::byte kFill{0xcc};         // int3
constexpr size_t kEntries = kForms - 1;  // one for each form but `none`, at the start
static_assert(kEntries * sizeof(uint64_t) % kAlignment == 0);

}  // namespace

bool encode_distance(std::byte* field, int64_t end, int64_t target) {
  const int64_t distance = target - end;
  if (distance < std::numeric_limits<int32_t>::min() || distance > std::numeric_limits<int32_t>::max())
    return false;
  const auto value = static_cast<int32_t>(distance);
  std::memcpy(field, &value, sizeof value);
  return true;
}

Trampolines::Trampolines(const Request& request)
    : text_(request.text), distance_(request.trampolines), capacity_(request.capacity) {
  for (size_t form = 0; form < kEntries; ++form) {
    const uint64_t entry = request.entry + form * request.entry_step;
    const auto bytes = std::as_bytes(std::span(&entry, 1));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  kept_bytes_ = bytes_.size();
}

int64_t Trampolines::open() {
  return here();
}

void Trampolines::stands_for(uint32_t original) {
  moved_.push_back({static_cast<int32_t>(here()), static_cast<int32_t>(original)});
}

void Trampolines::emit(std::initializer_list<uint8_t> bytes) {
  for (const uint8_t byte : bytes) bytes_.push_back(std::byte{byte});
}

bool Trampolines::emit_distance(int64_t target) {
  std::byte field[4];
  if (!encode_distance(field, here() + 4, target)) return false;
  bytes_.insert(bytes_.end(), std::begin(field), std::end(field));
  return true;
}

bool Trampolines::move(uint32_t offset, const Instruction& instruction) {
  const std::span<const std::byte> original = text_.subspan(offset, instruction.length);
  const int64_t target = int64_t{offset} + instruction.target();
  stands_for(offset);
  if (instruction.flow == Flow::jump) {
    emit({0xe9});
    return emit_distance(target);
  }
  if (instruction.flow == Flow::condition) {
    // The condition is the low half of the last opcode byte: 7x with 8 bits of distance, 0f 8x with 32.
    // Prefixes are only hints, but what one of 16-bit operands does depends on the processor.
    const bool narrow = instruction.length == 2;
    if (!narrow && (instruction.length != 6 || original[0] != std::byte{0x0f})) return false;
    emit({0x0f, static_cast<uint8_t>(0x80 | (static_cast<uint8_t>(original[narrow ? 0 : 1]) & 0x0f))});
    return emit_distance(target);
  }
  if (instruction.flow == Flow::ret) {
    bytes_.insert(bytes_.end(), original.begin(), original.end());
    return true;
  }
  const Details details = examine(original);
  if (!details.movable) return false;
  bytes_.insert(bytes_.end(), original.begin(), original.end());
  if (details.rip_offset == 0) return true;
  return encode_distance(bytes_.data() + bytes_.size() - original.size() + details.rip_offset, here(),
                         int64_t{offset} + instruction.length + details.rip_distance);
}

bool Trampolines::enter(Form form) {
  emit({0xff, 0x25});
  return emit_distance(distance_ + static_cast<int64_t>(static_cast<size_t>(form) * sizeof(uint64_t)));
}

bool Trampolines::call(uint32_t site, Form form) {
  stands_for(site);
  emit({0x48, 0x8d, 0x0d});  // lea site+2(%rip),%rcx
  if (!emit_distance(int64_t{site} + 2)) return false;
  stands_for(site);
  return enter(form);
}

bool Trampolines::call_and_stay(uint32_t site) {
  stands_for(site);
  emit({0x48, 0x8d, 0x0d});  // lea 8(%rip),%rcx: past the two instructions that follow
  if (!emit_distance(here() + 4 + 8)) return false;
  stands_for(site);
  if (!enter(Form::post)) return false;
  stands_for(site);
  emit({0x0f, 0x05});  // syscall: what a restart at rcx - 2 finds
  return true;
}

bool Trampolines::leave(uint32_t offset) {
  stands_for(offset);
  emit({0xe9});
  return emit_distance(offset);
}

bool Trampolines::keep() {
  const size_t end = (bytes_.size() + kAlignment - 1) / kAlignment * kAlignment;
  if (end > capacity_) {
    drop();
    return false;
  }
  bytes_.resize(end, kFill);
  kept_bytes_ = end;
  kept_moved_ = moved_.size();
  return true;
}

void Trampolines::drop() {
  bytes_.resize(kept_bytes_);
  moved_.resize(kept_moved_);
}

}  // namespace sandstone::rewrite
