// Compiled as the runtime in a guest's process is, so that what it includes stays fit for that.
#include "observe/capture.h"
#include "observe/ring.h"

namespace sandstone::observe {
namespace {

using CopyFunction = size_t (*)(void* to, uint64_t from, size_t length);

[[gnu::used]] void keep_entry(Record& record, uint32_t number, const uint64_t (&args)[6], CopyFunction copy) {
  capture_entry(record, number, args, copy);
}

[[gnu::used]] bool keep_exit(Record& record, int64_t result, CopyFunction copy, RingWriter& ring) {
  capture_exit(record, result, copy);
  return ring.push(record);
}

}  // namespace
}  // namespace sandstone::observe
