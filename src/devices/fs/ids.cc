#include "devices/fs/ids.h"

namespace sandstone::fs {
namespace {

bool holds(uint32_t start, uint32_t count, uint32_t id) {
  return id >= start && id - start < count;
}

bool meet(uint32_t a, uint32_t b, uint32_t a_count, uint32_t b_count) {
  return holds(a, a_count, b) || holds(b, b_count, a);
}

}  // namespace

const char* IdMap::fault() const {
  for (size_t i = 0; i < ranges_.size(); ++i) {
    const IdRange& a = ranges_[i];
    // The last id, -1, means "leave it" to chown.
    if (a.count == 0 || a.guest > UINT32_MAX - a.count || a.host > UINT32_MAX - a.count)
      return "an id range is empty or goes beyond the last id";
    for (size_t k = 0; k < i; ++k) {
      const IdRange& b = ranges_[k];
      if (meet(a.guest, b.guest, a.count, b.count) || meet(a.host, b.host, a.count, b.count))
        return "two id ranges overlap";
    }
  }
  return nullptr;
}

uint32_t IdMap::to_guest(uint32_t host) const {
  for (const IdRange& range : ranges_)
    if (holds(range.host, range.count, host)) return range.guest + (host - range.host);
  return kNobody;
}

std::optional<uint32_t> IdMap::to_host(uint32_t guest) const {
  for (const IdRange& range : ranges_)
    if (holds(range.guest, range.count, guest)) return range.host + (guest - range.guest);
  return std::nullopt;
}

uint64_t InodeNumbers::to_guest(uint64_t device, uint64_t inode) {
  constexpr unsigned kShift = 48;
  constexpr uint64_t kMaxDevices = 1U << 15;  // the top bit marks the mixed ones
  uint64_t index = kMaxDevices;
  {
    const std::scoped_lock lock(mutex_);
    const auto known = devices_.find(device);
    if (known != devices_.end()) {
      index = known->second;
    } else if (devices_.size() < kMaxDevices) {
      index = devices_.size();
      devices_[device] = index;
    }
  }
  if (index < kMaxDevices && inode >> kShift == 0) return index << kShift | inode;
  // Numbers that fill all 64 bits, as overlayfs makes them, have no room for the device: mix both
  // (splitmix64).
  uint64_t mixed = inode + (device + 1) * 0x9e3779b97f4a7c15;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
  return (mixed ^ mixed >> 31) | uint64_t{1} << 63;
}

}  // namespace sandstone::fs
