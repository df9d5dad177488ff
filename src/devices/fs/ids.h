// Ids: which number a user, a group and an inode of the host has in the guest.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "devices/fs/fuse_server.h"

namespace sandstone::fs {

inline constexpr uint32_t kNobody = 65534;

class IdMap {
 public:
  explicit IdMap(std::vector<IdRange> ranges) : ranges_(std::move(ranges)) {}

  // Why the ranges make no map: null if they do. Two that overlap would let one owner pass for another.
  [[nodiscard]] const char* fault() const;
  [[nodiscard]] uint32_t to_guest(uint32_t host) const;  // kNobody if there is none
  [[nodiscard]] std::optional<uint32_t> to_host(uint32_t guest) const;

 private:
  std::vector<IdRange> ranges_;
};

// Inode numbers are unique in one file system only, and a folder may have others mounted inside: the number
// that the guest sees has the file system in its upper bits.
class InodeNumbers {
 public:
  explicit InodeNumbers(uint64_t root_device) { devices_[root_device] = 0; }
  uint64_t to_guest(uint64_t device, uint64_t inode);

 private:
  std::mutex mutex_;
  std::map<uint64_t, uint64_t> devices_;
};

}  // namespace sandstone::fs
