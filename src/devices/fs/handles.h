// Handles: the files and folders that the guest has open, by numbers that are never given out again.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "devices/fs/nodes.h"

namespace sandstone::fs {

struct Handle {
  Pin node;  // keeps a node usable that has no name any more
  Fd fd;
  bool readable = false;
  bool writable = false;
  [[nodiscard]] bool folder() const { return node.type == S_IFDIR; }

  // Of a folder: what the host has told and the guest not yet taken.
  std::mutex mutex;
  std::vector<char> entries;
  size_t next = 0;        // the first of them, in bytes
  uint64_t position = 0;  // the guest's offset of that entry
};

class Handles {
 public:
  explicit Handles(size_t most) : most_(most) {}

  int add(std::shared_ptr<Handle> handle, uint64_t& id) {
    const std::unique_lock lock(mutex_);
    if (handles_.size() >= most_) return ENFILE;
    id = next_++;
    handles_[id] = std::move(handle);
    return 0;
  }
  // Null unless it is a handle of that node and of that kind.
  std::shared_ptr<Handle> get(uint64_t id, uint64_t node, bool folder) const {
    const std::shared_lock lock(mutex_);
    const auto found = handles_.find(id);
    if (found == handles_.end() || found->second->node.id != node || found->second->folder() != folder)
      return nullptr;
    return found->second;
  }
  // The handle is closed when the last request that uses it is done.
  std::shared_ptr<Handle> remove(uint64_t id, uint64_t node, bool folder) {
    auto handle = get(id, node, folder);
    const std::unique_lock lock(mutex_);
    return handle != nullptr && handles_.erase(id) == 1 ? handle : nullptr;
  }
  void clear() {
    std::unordered_map<uint64_t, std::shared_ptr<Handle>> gone;
    const std::unique_lock lock(mutex_);
    gone.swap(handles_);
  }
  [[nodiscard]] bool full() const {
    const std::shared_lock lock(mutex_);
    return handles_.size() >= most_;
  }
  [[nodiscard]] size_t size() const {
    const std::shared_lock lock(mutex_);
    return handles_.size();
  }

 private:
  const size_t most_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<uint64_t, std::shared_ptr<Handle>> handles_;
  uint64_t next_ = 1;
};

}  // namespace sandstone::fs
