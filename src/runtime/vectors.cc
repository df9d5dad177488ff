#include "runtime/vectors.h"

namespace sandstone::runtime {
namespace {

// The end of the legacy part of a vector state in a frame.
struct FpNote {
  uint32_t magic, extended_size;
  uint64_t features;
  uint32_t size, unused[7];
};
constexpr uint64_t kLegacySize = 512, kNoteAt = 464, kMxcsrAt = 24, kHeaderSize = 64;
constexpr uint32_t kMagic1 = 0x46505853, kMagic2 = 0x46505845;
constexpr uint64_t kMostState = 12 << 10;

// What a program finds. As large as the largest, as the processor may look at all of it.
struct First {
  alignas(64) uint8_t bytes[kMostState] = {0x7f, 0x03};  // the control word of the x87 unit
  constexpr First() {
    bytes[kMxcsrAt] = 0x80;
    bytes[kMxcsrAt + 1] = 0x1f;
  }
};
constexpr First kFirst;

struct Vector {
  uint64_t size;
  uint64_t features;
};

// What the processor saves in all.
Vector vector_state() {
  static Vector known;
  if (known.size != 0) return known;
  uint32_t a = 13, b = 0, c = 0, d = 0;
  asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  uint32_t low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  known.features = uint64_t{high} << 32 | low;
  known.size = b > kMostState ? kMostState : b;
  return known;
}

void clean(uint8_t* state, uint64_t size, uint64_t features) {
  uint32_t mxcsr = 0;
  memcpy(&mxcsr, state + kMxcsrAt, sizeof mxcsr);
  mxcsr &= 0xffff;
  memcpy(state + kMxcsrAt, &mxcsr, sizeof mxcsr);
  if (size <= kLegacySize) return;
  uint64_t present = 0;
  memcpy(&present, state + kLegacySize, sizeof present);
  present &= features;
  memset(state + kLegacySize, 0, kHeaderSize);
  memcpy(state + kLegacySize, &present, sizeof present);
}

void load_vectors(const uint8_t* state) {
  const Vector all = vector_state();
  asm volatile("xrstor64 %0"
               :
               : "m"(*state), "a"(static_cast<uint32_t>(all.features)),
                 "d"(static_cast<uint32_t>(all.features >> 32))
               : "memory");
}

}  // namespace

uint64_t vector_size(const Context& context) {
  if (context.fp == nullptr) return vector_state().size + 4;
  const auto* note = reinterpret_cast<const FpNote*>(context.fp + kNoteAt);
  return note->magic == kMagic1 && note->extended_size <= kMostState + 4 ? note->extended_size : kLegacySize;
}

bool has_extended_state(const Context& context) {
  return context.fp != nullptr && reinterpret_cast<const FpNote*>(context.fp + kNoteAt)->magic == kMagic1;
}

bool save_vectors(const Context& context, uint64_t at) {
  if (context.fp != nullptr) return guarded_copy(pointer(at), context.fp, vector_size(context));
  alignas(64) uint8_t state[kMostState + 64];
  const Vector all = vector_state();
  memset(state + kLegacySize, 0, kHeaderSize);
  asm volatile("xsave64 %0"
               : "+m"(state)
               : "a"(static_cast<uint32_t>(all.features)), "d"(static_cast<uint32_t>(all.features >> 32)));
  auto* note = reinterpret_cast<FpNote*>(state + kNoteAt);
  *note = {kMagic1, static_cast<uint32_t>(all.size) + 4, all.features, static_cast<uint32_t>(all.size), {}};
  memcpy(state + all.size, &kMagic2, sizeof kMagic2);
  return guarded_copy(pointer(at), state, all.size + 4);
}

bool restore_vectors(Context& context, uint64_t at) {
  alignas(64) uint8_t state[kMostState + 64];
  memset(state, 0, kLegacySize + kHeaderSize);
  if (at == 0) {
    reset_vector_state(context);
    return true;
  }
  if (!guarded_copy(state, pointer(at), kLegacySize)) return false;
  FpNote note;
  memcpy(&note, state + kNoteAt, sizeof note);
  const uint64_t ours = vector_size(context);
  const uint64_t features = vector_state().features;
  bool whole = note.magic == kMagic1 && note.extended_size == ours && ours > kLegacySize;
  if (whole) whole = guarded_copy(state + kLegacySize, pointer(at + kLegacySize), ours - kLegacySize);
  if (!whole) {
    const uint64_t legacy = 3;
    memcpy(state + kLegacySize, &legacy, sizeof legacy);
  }
  clean(state, kLegacySize + 1, features);
  if (context.fp == nullptr) {
    load_vectors(state);
    return true;
  }
  FpNote keep;
  memcpy(&keep, context.fp + kNoteAt, sizeof keep);
  if (ours <= kLegacySize) {
    memcpy(context.fp, state, kLegacySize);
  } else {
    memcpy(context.fp, state, whole ? ours - 4 : kLegacySize + kHeaderSize);
  }
  memcpy(context.fp + kNoteAt, &keep, sizeof keep);
  return true;
}

void reset_vector_state(Context& context) {
  if (context.fp == nullptr) return load_vectors(kFirst.bytes);
  FpNote keep;
  memcpy(&keep, context.fp + kNoteAt, sizeof keep);
  memcpy(context.fp, kFirst.bytes, keep.magic == kMagic1 ? kLegacySize + kHeaderSize : kLegacySize);
  memcpy(context.fp + kNoteAt, &keep, sizeof keep);
}

}  // namespace sandstone::runtime
