// What an ELF file tells about its code: where functions start and what may be jumped to without a direct
// jump.
//
// The file is hostile: every offset and count in it is checked, and the work is bounded by its size. A file
// that lies about its own code harms nobody but the program in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sandstone::rewrite {

// An executable PT_LOAD segment, as far as it comes from the file.
struct CodeSegment {
  uint64_t file_offset = 0;
  uint64_t address = 0;  // as the file says, before it is moved
  uint64_t size = 0;     // bytes, all of them in the file

  // For rewrite::Request, as offsets in the segment; sorted.
  std::vector<uint64_t> starts;    // of functions: .symtab, .dynsym, .eh_frame, the entry point
  std::vector<uint64_t> landings;  // other symbols, C++ landing pads, jump tables, pointers
};

// All of them, in the file's order; none if it is no x86-64 ELF file.
[[nodiscard]] std::vector<CodeSegment> code_segments(std::span<const std::byte> file);

}  // namespace sandstone::rewrite
