// The captured pieces of a record, found without trusting their lengths.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "observe/record.h"

namespace sandstone::observe {

struct Piece {
  std::span<const uint8_t> bytes;
  bool cut = false;  // there was more

  // The little-endian number at `offset`; 0 where the piece does not reach.
  template <typename T>
  [[nodiscard]] T get(size_t offset) const {
    T value{};
    if (offset <= bytes.size() && bytes.size() - offset >= sizeof(T))
      std::memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
  }
};

class Pieces {
 public:
  explicit Pieces(const Record& record)
      : memory_(record.memory, record.captured <= Record::kMemory ? record.captured : 0) {}

  [[nodiscard]] std::optional<Piece> find(unsigned arg, unsigned part = part::whole) const {
    std::optional<Piece> found;
    each([&](const PieceHeader& header, const Piece& piece) {
      if (header.arg == arg && header.place() == part && !found) found = piece;
    });
    return found;
  }

  // Calls use(header, piece) for each.
  template <typename Use>
  void each(Use&& use) const {
    std::span<const uint8_t> rest = memory_;
    while (rest.size() >= sizeof(PieceHeader)) {
      PieceHeader header;
      std::memcpy(&header, rest.data(), sizeof header);
      rest = rest.subspan(sizeof header);
      if (header.length > rest.size()) return;
      use(header, Piece{rest.first(header.length), (header.part & PieceHeader::kCut) != 0});
      rest = rest.subspan(header.length);
    }
  }

 private:
  std::span<const uint8_t> memory_;
};

}  // namespace sandstone::observe
