// Nodes: what the guest's kernel knows by a number, and how often it has looked it up.
//
// A node is an inode of the host, so hard links are one node. Its number is never given out again, so that a
// number from the past cannot come to mean another file. The nodes used last are held open (O_PATH); of the
// others only the folder and the name are kept, and they are found again there, if it is still the same inode
// (else ESTALE, upon which the guest's kernel looks the path up anew). So a guest may remember a million
// files, and cost a few thousand descriptors. A file system that does not tell when an inode was born leaves
// its successor with the same number to be told by the time of its last change: one that changed while it was
// closed counts as another, and one that changed just now is not closed.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "devices/fs/host.h"

namespace sandstone::fs {

// A node in use: stays valid whatever happens to the node meanwhile.
struct Pin {
  uint64_t id = 0;
  InodeKey key;
  uint16_t type = 0;  // S_IFMT's part of the mode, which never changes
  std::shared_ptr<const Fd> held;
  [[nodiscard]] int fd() const { return held->get(); }
};

class Nodes {
 public:
  Nodes(Fd root, const Inode& inode, size_t max_nodes, size_t max_held, bool cross_mounts);

  int pin(uint64_t id, Pin& out) { return pin(id, out, 0); }  // ESTALE if there is none
  // The node of an inode that was just found as `name` in `folder`; one more lookup for the guest to forget.
  // Null for a file that has no name. ENFILE.
  int found(uint64_t folder, const char* name, Fd fd, const Inode& inode, Pin& out);
  // The same without a descriptor, for an inode that is known and held already; false if it is not.
  bool found_again(uint64_t folder, const char* name, const Inode& inode, Pin& out);
  void moved(const InodeKey& key, uint64_t folder, const char* name);
  // A guest that forgets more than it has looked up lies; it is not obeyed.
  void forget(uint64_t id, uint64_t lookups);
  void clear();
  [[nodiscard]] bool full() const;

  // Whether the content is as it was when this was last asked, and the guest's cache of it is good.
  bool unchanged(uint64_t id, const Inode& inode);

  struct Usage {
    size_t nodes = 0;
    size_t held = 0;
  };
  [[nodiscard]] Usage usage() const;

 private:
  using Held = std::shared_ptr<const Fd>;
  struct Stamp {
    int64_t seconds = 0;
    uint32_t nanoseconds = 0;
    uint64_t size = 0;
    bool operator==(const Stamp&) const = default;
  };
  struct Node {
    InodeKey key;
    uint16_t type = 0;
    uint64_t lookups = 0;
    uint64_t folder = 0;
    std::string name;
    Held held;                            // null: closed, to be found again
    std::weak_ptr<const Fd> last;         // somebody may still have it, an open file for one
    std::list<uint64_t>::iterator place;  // in recent_, if held and not the root
    Stamp content;
    uint64_t changed = 0;  // if closed and of unknown birth: ctime, in ns
  };
  static constexpr int kMaxDepth = 512;

  int pin(uint64_t id, Pin& out, int depth);
  void hold(uint64_t id, Node& node, Held held);  // these with the mutex held
  void touch(Node& node);
  void count(uint64_t id, Node& node, uint64_t folder, const char* name);
  void erase(std::unordered_map<uint64_t, Node>::iterator node);
  Held trim();
  bool can_close(Node& node) const;
  [[nodiscard]] bool too_many() const {
    return nodes_.size() >= max_nodes_ || recent_.size() >= 2 * max_held_;
  }

  const size_t max_nodes_;
  const size_t max_held_;
  const bool cross_mounts_;
  mutable std::mutex mutex_;
  std::unordered_map<uint64_t, Node> nodes_;
  std::unordered_map<InodeKey, uint64_t, InodeKeyHash> by_key_;
  std::list<uint64_t> recent_;  // held nodes, the one used last first
  uint64_t next_ = FUSE_ROOT_ID + 1;
};

}  // namespace sandstone::fs
