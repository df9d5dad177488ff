#include "rewrite/patcher.h"

#include <linux/unistd.h>

#include <algorithm>
#include <cstring>

namespace sandstone::rewrite {
namespace {

constexpr uint32_t kSyscall = 2;  // bytes of the instruction
constexpr uint32_t kJump = 5;     // bytes of `e9 rel32`
constexpr std::byte kJumpOpcode{0xe9};

// How much is displaced before a site: to copy more of it gains nothing.
constexpr uint32_t kFurthestBack = 40;

// `mov $15,%rax; syscall`: unwinders know a signal frame's return address by these bytes.
constexpr uint8_t kRestorer[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};

bool in_restorer(const Text& text, uint32_t site) {
  constexpr uint32_t kBefore = sizeof kRestorer - kSyscall;
  return site >= kBefore && std::memcmp(text.bytes.data() + site - kBefore, kRestorer, sizeof kRestorer) == 0;
}

// The number that the straight line of code before `site` puts in eax, where that is plain.
std::optional<uint32_t> number_of(const Window& window, const Text& text, uint32_t site) {
  for (uint32_t at = site; !text.is_start(at);) {
    const Instruction* instruction = window.before(at, at);
    if (instruction == nullptr) break;
    if (instruction->flow == Flow::condition) continue;
    if (instruction->flow != Flow::next) break;
    const Details details = examine(text.bytes.subspan(at));
    if (details.writes_rax) return details.number;
  }
  return std::nullopt;
}

// Offsets of 5 bytes between functions that nothing executes: padding, after what never goes on with it.
template <typename Use>
void for_each_island(const Window& window, uint32_t first, uint32_t end, Use&& use) {
  bool dead = false;
  uint32_t run = 0;  // where the dead bytes begin
  for (uint32_t at = first; at < end;) {
    const Instruction* instruction = window.at(at);
    if (instruction == nullptr) {
      dead = false;
      ++at;
      continue;
    }
    const uint32_t next = at + instruction->length;
    if (instruction->padding && dead && !window.targeted(at, next)) {
      for (; run + kJump <= next; ++run)
        if (use(run)) return;
    } else {
      dead = instruction->flow == Flow::jump || instruction->flow == Flow::ret ||
             instruction->flow == Flow::stop;
      run = next;
    }
    at = next;
  }
}

}  // namespace

Patcher::Patcher(const Request& request, const Text& text)
    : text_(text),
      decoded_(text.bytes),
      distance_(request.trampolines),
      trampolines_(request),
      claimed_(text.size()) {
  result_.text.assign(request.text.begin(), request.text.end());
}

void Patcher::patch(uint32_t offset) {
  const Window window(text_, decoded_, offset, kNear);
  if (!window.seen(offset)) return;
  Site& site = result_.sites.emplace_back(Site{.offset = offset});
  if (window.at(offset) == nullptr || !window.plausible(offset) || in_restorer(text_, offset)) return;
  if (number_of(window, text_, offset) == __NR_rt_sigreturn) return;
  (void)(try_before(window, site, true) || try_after(window, site) || try_island(site) ||
         try_before(window, site, false));
}

bool Patcher::try_before(const Window& window, Site& site, bool strict) {
  std::vector<uint32_t> run;  // offsets of what is displaced, last first
  for (uint32_t at = site.offset; !text_.is_start(at);) {
    const Instruction* instruction = window.before(at, at);
    if (instruction == nullptr || site.offset - at > kFurthestBack) break;
    if (instruction->flow != Flow::condition) {
      const Details details = examine(text_.bytes.subspan(at));
      if (!details.movable || (strict && details.memory)) break;
    }
    if (strict && window.targeted(at + 1, site.offset + 1)) break;
    run.push_back(at);
    if (site.offset - at < kJump || window.targeted(at + 1, at + kJump)) continue;
    if (!is_free(at, site.offset + kSyscall)) break;

    const int64_t trampoline = trampolines_.open();
    bool moved = true;
    for (auto one = run.rbegin(); one != run.rend(); ++one)
      moved = moved && trampolines_.move(*one, *window.at(*one));
    const Form form = run.size() == 1 && text_.bytes[at] == std::byte{0xb8} ? Form::imm7 : Form::pre;
    moved = moved && trampolines_.call(site.offset, form);
    if (!moved) {
      trampolines_.drop();
      return false;
    }
    if (!keep(at, trampoline, site)) return false;
    site.form = form;
    site.patched = at;
    claim(at, site.offset + kSyscall);
    return true;
  }
  return false;
}

bool Patcher::try_after(const Window& window, Site& site) {
  const uint32_t enough = site.offset + kJump;
  if (enough > text_.size() || window.targeted(site.offset + 1, enough)) return false;
  const int64_t trampoline = trampolines_.open();
  bool good = trampolines_.call_and_stay(site.offset);
  bool ended = false;
  uint32_t at = site.offset + kSyscall;
  while (good && at < enough) {
    const Instruction* instruction = window.at(at);
    good = instruction != nullptr;
    if (!good) break;
    if (ended) {
      good = instruction->padding;
    } else {
      const Flow flow = instruction->flow;
      ended = flow == Flow::jump || flow == Flow::ret;
      good = ended || flow == Flow::condition ||
             (flow == Flow::next && !examine(text_.bytes.subspan(at)).memory);
      good = good && trampolines_.move(at, *instruction);
    }
    at += instruction->length;
  }
  if (good && !ended) good = trampolines_.leave(at);
  if (!good || !is_free(site.offset, at)) {
    trampolines_.drop();
    return false;
  }
  if (!keep(site.offset, trampoline, site)) return false;
  site.form = Form::post;
  site.patched = site.offset;
  claim(site.offset, at);
  return true;
}

bool Patcher::try_island(Site& site) {
  const Window window(text_, decoded_, site.offset, kReach);
  const uint32_t after = site.offset + kSyscall;
  if (window.targeted(site.offset + 1, after) || !is_free(site.offset, after)) return false;
  uint32_t island = 0;
  bool found = false;
  for_each_island(
      window, after - std::min(after, 150U), std::min(window.end(), after + 150), [&](uint32_t at) {
        const int64_t distance = int64_t{at} - after;
        found = distance >= -128 && distance <= 127 && at + kJump <= text_.size() && is_free(at, at + kJump);
        island = at;
        return found;
      });
  if (!found) return false;

  const int64_t trampoline = trampolines_.open();
  if (!trampolines_.call(site.offset, Form::rel8)) {
    trampolines_.drop();
    return false;
  }
  if (!keep(island, trampoline, site)) return false;
  result_.text[site.offset] = std::byte{0xeb};
  result_.text[site.offset + 1] = static_cast<std::byte>(island - after);
  site.form = Form::rel8;
  site.patched = site.offset;
  site.island = island;
  claim(site.offset, after);
  claim(island, island + kJump);
  islands_.push_back({static_cast<int32_t>(island), static_cast<int32_t>(site.offset)});
  return true;
}

bool Patcher::is_free(uint32_t first, uint32_t end) const {
  return end <= claimed_.size() &&
         std::find(claimed_.begin() + first, claimed_.begin() + end, true) == claimed_.begin() + end;
}

void Patcher::claim(uint32_t first, uint32_t end) {
  std::fill(claimed_.begin() + first, claimed_.begin() + end, true);
}

bool Patcher::keep(uint32_t offset, int64_t trampoline, Site& site) {
  std::byte jump[kJump] = {kJumpOpcode};
  if (!encode_distance(jump + 1, int64_t{offset} + kJump, trampoline)) {
    trampolines_.drop();
    return false;
  }
  if (!trampolines_.keep()) return false;
  std::copy(std::begin(jump), std::end(jump), result_.text.begin() + offset);
  site.trampoline = static_cast<uint32_t>(trampoline - distance_);
  return true;
}

Result Patcher::take() {
  const auto patched = [](const Site& site) { return site.form != Form::none; };
  if (std::none_of(result_.sites.begin(), result_.sites.end(), patched)) return std::move(result_);
  result_.trampolines = trampolines_.take_bytes();
  result_.moved = trampolines_.take_moved();
  // Trampolines are in the order of their sites, and so are what they hold.
  auto moved = result_.moved.begin();
  for (const Site& site : result_.sites) {
    if (site.form == Form::none || site.form == Form::rel8) continue;
    const int64_t begin = distance_ + site.trampoline;
    while (moved != result_.moved.end() && moved->now < begin) ++moved;
    for (auto one = moved; one != result_.moved.end(); ++one) {
      const int64_t inside = int64_t{one->original} - site.patched;
      if (inside < 0 || inside > kJump + kFurthestBack + 16) break;  // the next site's
      if (inside > 0 && inside < kJump) result_.displaced.push_back(*one);
    }
  }
  result_.moved.insert(result_.moved.end(), islands_.begin(), islands_.end());
  std::sort(result_.moved.begin(), result_.moved.end(),
            [](const Moved& a, const Moved& b) { return a.now < b.now; });
  std::sort(result_.displaced.begin(), result_.displaced.end(),
            [](const Moved& a, const Moved& b) { return a.original < b.original; });
  return std::move(result_);
}

}  // namespace sandstone::rewrite
