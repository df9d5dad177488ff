// An ELF file as the addresses that it will be loaded at. Reads nothing outside the file.
#pragma once

#include <elf.h>

#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "rewrite/elf.h"

namespace sandstone::rewrite {

template <typename T>
std::optional<T> read(std::span<const std::byte> bytes, uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

class ElfImage {
 public:
  // None if `file` is no x86-64 ELF file.
  static std::optional<ElfImage> open(std::span<const std::byte> file);

  [[nodiscard]] std::span<const std::byte> file() const { return file_; }
  [[nodiscard]] const Elf64_Ehdr& header() const { return header_; }
  [[nodiscard]] const std::vector<Elf64_Phdr>& segments() const { return segments_; }
  // The bytes of the file that are loaded at `address` and, in the same segment, after it; maybe none.
  [[nodiscard]] std::span<const std::byte> at(uint64_t address) const;
  // The part of a PT_LOAD segment that is in the file.
  [[nodiscard]] std::span<const std::byte> bytes_of(const Elf64_Phdr& segment) const;

 private:
  std::span<const std::byte> file_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> segments_;
};

// What the parts below find: addresses, in no order, with repetitions, inside the code or not.
struct CodeAddresses {
  std::vector<uint64_t> starts;
  std::vector<uint64_t> landings;
};

void add_symbols(const ElfImage& image, CodeAddresses& found);   // elf.cc
void add_frames(const ElfImage& image, CodeAddresses& found);    // eh_frame.cc
void add_pointers(const ElfImage& image, CodeAddresses& found);  // pointers.cc

}  // namespace sandstone::rewrite
