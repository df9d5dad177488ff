#include "rewrite/window.h"

#include <algorithm>

namespace sandstone::rewrite {
namespace {

constexpr uint32_t kLongest = 15;     // bytes of an instruction
constexpr uint32_t kFallIn = 64;      // bytes within which decoding falls into step
constexpr uint32_t kJudged = 64;      // bytes on either side that plausible() looks at
constexpr uint32_t kShortJump = 130;  // how far a short jump reaches, its own bytes included

}  // namespace

Window::Window(const Text& text, Decoded& decoded, uint32_t place, uint32_t radius) : text_(text) {
  const uint32_t reach = radius + kShortJump;
  first_ = place - std::min(place, reach + kFallIn);
  slots_.resize(std::min(text.size() - first_, place - first_ + reach));
  decode_all(decoded, place);
}

void Window::decode_all(Decoded& decoded, uint32_t place) {
  const auto size = static_cast<uint32_t>(slots_.size());
  uint32_t live = 0;      // one past the last pending slot
  uint32_t straddle = 0;  // where the furthest instruction so far ends
  const auto pend = [&](uint32_t i) {
    if (i >= size) return;
    slots_[i].pending = true;
    live = std::max(live, i + 1);
  };
  const auto pend_row = [&](uint32_t i) {
    for (uint32_t k = 0; k < kLongest; ++k) pend(i + k);
  };
  const uint32_t again = place - first_ - std::min(place - first_, kJudged + kFallIn);

  auto start = std::lower_bound(text_.starts.begin(), text_.starts.end(), first_);
  for (uint32_t i = 0; i < size; ++i) {
    if (i == again || live <= i) pend_row(i);  // not live: all met what cannot be decoded
    if (start != text_.starts.end() && *start == first_ + i) {
      for (uint32_t k = i + 1; k < live && k < size; ++k) slots_[k].pending = false;
      for (uint32_t k = i - std::min(i, kLongest); k < i; ++k)
        if (k + slots_[k].instruction.length > i) slots_[k].certain = false;
      pend(i);
      live = i + 1;
      straddle = i;
      ++start;
    }
    Slot& slot = slots_[i];
    if (!slot.pending) continue;
    slot.instruction = decoded.at(first_ + i);
    if (slot.instruction.length == 0) continue;
    slot.certain = straddle <= i;
    const uint32_t next = i + slot.instruction.length;
    straddle = std::max(straddle, next);
    pend(next);
    live = std::max(live, next);  // whatever lies past the window's end is alive
    if (slot.instruction.target() == 0) continue;
    const int64_t target = int64_t{i} + slot.instruction.target();
    if (target >= 0 && target < size) slots_[static_cast<size_t>(target)].target = true;
  }
}

const Window::Slot* Window::slot(uint32_t offset) const {
  if (offset < first_ || offset >= end()) return nullptr;
  const Slot& slot = slots_[offset - first_];
  return slot.instruction.length == 0 ? nullptr : &slot;
}

const Instruction* Window::at(uint32_t offset) const {
  const Slot* found = slot(offset);
  return found != nullptr && found->certain ? &found->instruction : nullptr;
}

const Instruction* Window::before(uint32_t offset, uint32_t& begins) const {
  for (uint32_t length = 1; length <= kLongest && length <= offset; ++length) {
    const Instruction* found = at(offset - length);
    if (found == nullptr) continue;
    if (found->length != length) return nullptr;
    begins = offset - length;
    return found;
  }
  return nullptr;
}

bool Window::ordinary(uint32_t offset, const Instruction& instruction) const {
  if (instruction.odd) return false;
  if (instruction.target() == 0) return true;
  const int64_t target = int64_t{offset} + instruction.target();
  if (target < 0 || target >= text_.size()) return text_.null != 0 && target == text_.null;
  const auto to = static_cast<uint32_t>(target);
  if (to < first_ + kFallIn || to >= end()) return true;
  // What is jumped to is an instruction, or one without its lock prefix.
  return seen(to) || (seen(to - 1) && text_.bytes[to - 1] == std::byte{0xf0});
}

bool Window::plausible(uint32_t offset) const {
  for (uint32_t begins = offset; begins != 0 && !text_.is_start(begins) && offset - begins < kJudged;) {
    const Instruction* instruction = before(begins, begins);
    if (instruction == nullptr || !ordinary(begins, *instruction)) return false;
  }
  for (uint32_t begins = offset; begins - offset < kJudged && begins < text_.size();) {
    const Instruction* instruction = at(begins);
    if (instruction == nullptr || !ordinary(begins, *instruction)) return false;
    if (instruction->flow == Flow::jump || instruction->flow == Flow::ret || instruction->flow == Flow::stop)
      break;
    begins += instruction->length;
    if (text_.is_start(begins)) break;
  }
  return true;
}

bool Window::targeted(uint32_t first, uint32_t end) const {
  for (uint32_t offset = first; offset < end; ++offset)
    if (offset >= first_ && offset < this->end() && slots_[offset - first_].target) return true;
  return text_.targeted(first, end);
}

}  // namespace sandstone::rewrite
