// libFuzzer: any bytes as text, and any bytes as an ELF file. What must hold: no access outside them
// (AddressSanitizer looks), nothing overwritten but what is told, every jump to its trampoline.
#include <cstdio>
#include <cstdlib>

#include "rewrite/elf.h"
#include "rewrite/rewrite.h"
#include "rewrite/sound.h"

using namespace sandstone::rewrite;

namespace {

void rewrite_and_check(const Request& request) {
  if (const char* wrong = what_is_unsound(request, rewrite(request))) {
    std::fprintf(stderr, "%s\n", wrong);
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  for (const CodeSegment& segment : code_segments(bytes))
    rewrite_and_check({.text = bytes.subspan(segment.file_offset, segment.size),
                       .address = segment.address,
                       .trampolines = -(1 << 20),
                       .capacity = 1 << 20,
                       .entry = 1,
                       .starts = segment.starts,
                       .landings = segment.landings});

  if (size < 8) return 0;
  const std::span<const std::byte> text = bytes.subspan(8);
  const uint64_t starts[] = {data[0], uint64_t{data[1]} << 1};
  const uint64_t landings[] = {data[2]};
  const auto distance = static_cast<int64_t>(text.size() + data[3]);
  rewrite_and_check({.text = text,
                     .trampolines = data[4] % 4 == 0 ? -(int64_t{1} << 30) : distance,
                     .capacity = data[5] % 4 == 0 ? size_t{data[6]} : size_t{4096},
                     .entry = 0x7f00'0000'1000,
                     .starts = std::span(starts).first(data[7] % 3),
                     .landings = std::span(landings).first(data[7] / 4 % 2)});
  return 0;
}
