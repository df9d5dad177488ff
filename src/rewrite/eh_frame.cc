// Function starts from .eh_frame_hdr and .eh_frame, and landing pads from the tables that they point to.
//
// Formats: Linux Standard Base Core 5.0, 10.6 (frames and their encodings); Itanium C++ ABI, exception
// handling tables.
#include <algorithm>

#include "rewrite/elf_image.h"

namespace sandstone::rewrite {
namespace {

constexpr uint8_t kOmit = 0xff;

// Reads on from an address of the image. After one read past the end, all give 0 and ok() is false.
class Cursor {
 public:
  Cursor(const ElfImage& image, uint64_t address) : bytes_(image.at(address)), address_(address) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] uint64_t address() const { return address_ + at_; }

  template <typename T>
  T next() {
    const auto value = read<T>(bytes_, at_);
    if (!value) ok_ = false;
    at_ += value ? sizeof(T) : 0;
    return value.value_or(T{});
  }
  // LEB128 of either sign, as 64 bits that wrap.
  uint64_t leb(bool is_signed) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = next<uint8_t>();
      value |= uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80) != 0) continue;
      if (is_signed && (byte & 0x40) != 0 && shift < 57) value |= ~uint64_t{0} << (shift + 7);
      return value;
    }
    ok_ = false;
    return 0;
  }
  // A pointer in DW_EH_PE encoding `how`. `base` is what data-relative ones count from.
  uint64_t pointer(uint8_t how, uint64_t base) {
    if (how == kOmit) return 0;
    const uint64_t from = address();
    uint64_t value = 0;
    switch (how & 0x0f) {
      case 0x00:
      case 0x04:
      case 0x0c:
        value = next<uint64_t>();
        break;
      case 0x01:
        value = leb(false);
        break;
      case 0x09:
        value = leb(true);
        break;
      case 0x02:
        value = next<uint16_t>();
        break;
      case 0x0a:
        value = static_cast<uint64_t>(int64_t{next<int16_t>()});
        break;
      case 0x03:
        value = next<uint32_t>();
        break;
      case 0x0b:
        value = static_cast<uint64_t>(int64_t{next<int32_t>()});
        break;
      default:
        ok_ = false;
    }
    if (value == 0) return 0;  // null in every encoding
    switch (how & 0x70) {
      case 0x00:
        return value;
      case 0x10:
        return from + value;
      case 0x30:
        return base + value;
      default:
        ok_ = false;
        return 0;
    }
  }

 private:
  std::span<const std::byte> bytes_;
  uint64_t address_;
  uint64_t at_ = 0;
  bool ok_ = true;
};

struct Common {  // what a CIE says about the frames that name it
  uint8_t pointers = 0;
  uint8_t lsda = kOmit;
  bool sized = false;  // frames have augmentation data
};

std::optional<Common> read_common(const ElfImage& image, uint64_t address) {
  Cursor cursor(image, address);
  (void)cursor.next<uint32_t>();  // length
  if (cursor.next<uint32_t>() != 0) return std::nullopt;
  const auto version = cursor.next<uint8_t>();
  char augmentation[8] = {};
  for (size_t i = 0;; ++i) {
    const char c = cursor.next<char>();
    if (c == 0) break;
    if (i + 1 >= sizeof augmentation) return std::nullopt;
    augmentation[i] = c;
  }
  cursor.leb(false);  // code alignment
  cursor.leb(true);   // data alignment
  if (version == 1)
    (void)cursor.next<uint8_t>();  // return address register
  else
    cursor.leb(false);
  Common common;
  for (const char* c = augmentation; *c != 0; ++c) {
    if (*c == 'z') {
      common.sized = true;
      cursor.leb(false);
    } else if (*c == 'R') {
      common.pointers = cursor.next<uint8_t>();
    } else if (*c == 'L') {
      common.lsda = cursor.next<uint8_t>();
    } else if (*c == 'P') {
      const auto how = cursor.next<uint8_t>();
      cursor.pointer(how & 0x7f, 0);
    } else if (*c != 'S') {
      return std::nullopt;
    }
  }
  return cursor.ok() ? std::optional(common) : std::nullopt;
}

// The landing pads of one function's call sites; `start` is the function's. `budget` is how many sites may
// yet be read: in a hostile file all functions share one long table.
void add_landing_pads(const ElfImage& image, uint64_t table, uint64_t start, uint64_t& budget,
                      std::vector<uint64_t>& found) {
  Cursor cursor(image, table);
  const auto pads_from = cursor.next<uint8_t>();
  const uint64_t base = pads_from == kOmit ? start : cursor.pointer(pads_from, 0);
  const auto types = cursor.next<uint8_t>();
  if (types != kOmit) cursor.leb(false);
  const auto how = cursor.next<uint8_t>();
  const uint64_t length = cursor.leb(false);
  const uint64_t begin = cursor.address();
  for (; cursor.ok() && cursor.address() - begin < length && budget > 0; --budget) {
    cursor.pointer(how, 0);
    cursor.pointer(how, 0);
    const uint64_t pad = cursor.pointer(how, 0);
    cursor.leb(false);
    if (cursor.ok() && pad != 0) found.push_back(base + pad);
  }
}

}  // namespace

void add_frames(const ElfImage& image, CodeAddresses& found) {
  for (const Elf64_Phdr& segment : image.segments()) {
    if (segment.p_type != PT_GNU_EH_FRAME) continue;
    // Its header has a sorted table of (function, frame), so that nothing need be searched.
    Cursor header(image, segment.p_vaddr);
    const auto version = header.next<uint8_t>();
    const auto frames_how = header.next<uint8_t>();
    const auto count_how = header.next<uint8_t>();
    const auto table_how = header.next<uint8_t>();
    header.pointer(frames_how, segment.p_vaddr);
    const uint64_t count = header.pointer(count_how, segment.p_vaddr);
    if (!header.ok() || version != 1 || table_how == kOmit) return;

    uint64_t budget = image.file().size();
    uint64_t last_address = 0;
    std::optional<Common> last_common;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t start = header.pointer(table_how, segment.p_vaddr);
      const uint64_t frame = header.pointer(table_how, segment.p_vaddr);
      if (!header.ok()) return;
      found.starts.push_back(start);

      Cursor cursor(image, frame);
      (void)cursor.next<uint32_t>();  // length
      const uint64_t at = cursor.address();
      const uint64_t common_at = at - cursor.next<uint32_t>();
      if (!cursor.ok() || common_at == at) continue;
      if (common_at != last_address) last_common = read_common(image, common_at);
      last_address = common_at;
      if (!last_common || !last_common->sized || last_common->lsda == kOmit) continue;
      cursor.pointer(last_common->pointers, segment.p_vaddr);
      cursor.pointer(last_common->pointers & 0x0f, 0);
      cursor.leb(false);
      const uint64_t table = cursor.pointer(last_common->lsda & 0x7f, 0);
      if (cursor.ok() && table != 0) add_landing_pads(image, table, start, budget, found.landings);
    }
    return;
  }
}

}  // namespace sandstone::rewrite
