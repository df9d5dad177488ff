// Addresses of code that a program keeps in its data: what an indirect jump may be made with.
#include <algorithm>
#include <cstring>

#include "rewrite/elf_image.h"

namespace sandstone::rewrite {
namespace {

constexpr size_t kLongestTable = 4096;  // entries: a switch with more is not compiled to one

bool in_code(const ElfImage& image, uint64_t address) {
  for (const Elf64_Phdr& segment : image.segments())
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0 && address >= segment.p_vaddr &&
        address - segment.p_vaddr < segment.p_filesz)
      return true;
  return false;
}

// Words that are an address of code: tables in a program that is not moved, and addends of relocations in one
// that is.
void add_words(const ElfImage& image, std::span<const std::byte> data, std::vector<uint64_t>& found) {
  for (uint64_t at = 0; data.size() - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
    const uint64_t word = *read<uint64_t>(data, at);
    if (word != 0 && in_code(image, word)) found.push_back(word);
    if (data.size() - at < 2 * sizeof(uint64_t)) break;
  }
}

// Where the code takes addresses of data, by `lea distance(%rip)`, or any bytes that look like it.
std::vector<uint64_t> addresses_taken(const ElfImage& image, const Elf64_Phdr& segment) {
  const std::span<const std::byte> code = image.bytes_of(segment);
  std::vector<uint64_t> taken;
  for (uint64_t at = 0; at + 6 <= code.size(); ++at) {
    const void* lea = std::memchr(code.data() + at, 0x8d, code.size() - at - 5);
    if (lea == nullptr) break;
    at = static_cast<uint64_t>(static_cast<const std::byte*>(lea) - code.data());
    if ((code[at + 1] & std::byte{0xc7}) != std::byte{0x05}) continue;
    const auto distance = static_cast<uint64_t>(int64_t{*read<int32_t>(code, at + 2)});
    taken.push_back(segment.p_vaddr + at + 6 + distance);
  }
  std::sort(taken.begin(), taken.end());
  taken.erase(std::unique(taken.begin(), taken.end()), taken.end());
  return taken;
}

// GCC's and clang's tables of position-independent code: distances of code from the table's start, 4 bytes
// each. Where one ends is not written anywhere: it is taken to go on to the next one or to the first entry
// that is no code.
void add_tables(const ElfImage& image, const std::vector<uint64_t>& tables, std::vector<uint64_t>& found) {
  for (size_t i = 0; i < tables.size(); ++i) {
    if (in_code(image, tables[i])) continue;
    const std::span<const std::byte> data = image.at(tables[i]);
    const uint64_t room = i + 1 < tables.size() ? tables[i + 1] - tables[i] : data.size();
    const size_t most = std::min<uint64_t>(room / sizeof(int32_t), kLongestTable);
    for (size_t entry = 0; entry < most; ++entry) {
      const auto distance = read<int32_t>(data, entry * sizeof(int32_t));
      if (!distance) break;
      const uint64_t target = tables[i] + static_cast<uint64_t>(int64_t{*distance});
      if (!in_code(image, target)) break;
      found.push_back(target);
    }
  }
}

}  // namespace

void add_pointers(const ElfImage& image, CodeAddresses& found) {
  std::vector<uint64_t> taken;
  for (const Elf64_Phdr& segment : image.segments()) {
    if (segment.p_type != PT_LOAD) continue;
    if ((segment.p_flags & PF_X) == 0) {
      add_words(image, image.bytes_of(segment), found.landings);
      continue;
    }
    const std::vector<uint64_t> more = addresses_taken(image, segment);
    taken.insert(taken.end(), more.begin(), more.end());
  }
  std::sort(taken.begin(), taken.end());
  add_tables(image, taken, found.landings);
}

}  // namespace sandstone::rewrite
