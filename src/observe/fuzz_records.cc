// libFuzzer: any bytes as what a guest writes into its ring, and as a record. What must hold: the reader
// comes to an end, what it gives is sane, and every record reads as one line of printable ASCII and as one
// line of JSON.
#include <cstdlib>
#include <cstring>

#include "observe/format.h"
#include "observe/ring.h"

using namespace sandstone::observe;

namespace {

void must(bool condition) {
  if (!condition) std::abort();
}

void must_be_one_line(const std::string& text) {
  for (const char c : text) must(c >= ' ' && c < 0x7f);
}

void read(const Record& record) {
  must_be_one_line(format_text(record, {.pid = true, .time = true, .duration = true, .disposition = true}));
  must_be_one_line(format_json(record));
}

constexpr size_t kCapacity = 4096;
alignas(64) std::byte memory[RingMemory::bytes_for(kCapacity)];

void read_ring(const uint8_t* data, size_t size) {
  std::memset(memory, 0, sizeof memory);
  std::memcpy(memory, data, size < sizeof memory ? size : sizeof memory);
  RingReader reader(memory, kCapacity);
  Record record{};
  size_t count = 0;
  while (reader.pop(record)) {
    must(record.captured <= Record::kMemory && ++count <= kCapacity / kSmallestEntry);
    read(record);
  }
  must(reader.broken() <= 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  if (data[0] % 4 == 0) {
    read_ring(data + 1, size - 1);
    return 0;
  }
  Record record{};
  std::memcpy(&record, data + 1, size - 1 < sizeof record ? size - 1 : sizeof record);
  if (data[0] % 4 != 1) record.number %= 480;  // mostly calls that there are
  read(record);
  return 0;
}
