#include "devices/fs/nodes.h"

#include <cerrno>
#include <ctime>
#include <utility>

namespace sandstone::fs {
namespace {

constexpr int64_t kSettled = 2;  // s since the last change: a tick of any file system
constexpr int kTries = 8;

uint64_t changed_at(const Inode& inode) {
  return static_cast<uint64_t>(inode.stat.stx_ctime.tv_sec) * 1'000'000'000 + inode.stat.stx_ctime.tv_nsec;
}

}  // namespace

Nodes::Nodes(Fd root, const Inode& inode, size_t max_nodes, size_t max_held, bool cross_mounts)
    : max_nodes_(max_nodes), max_held_(max_held), cross_mounts_(cross_mounts) {
  Node& node = nodes_[FUSE_ROOT_ID];
  node.key = inode.key;
  node.type = inode.type();
  node.held = std::make_shared<const Fd>(std::move(root));
  node.place = recent_.end();
  by_key_[inode.key] = FUSE_ROOT_ID;
}

void Nodes::touch(Node& node) {
  if (node.place != recent_.end()) recent_.splice(recent_.begin(), recent_, node.place);
}

void Nodes::hold(uint64_t id, Node& node, Held held) {
  node.held = std::move(held);
  node.last = node.held;
  recent_.push_front(id);
  node.place = recent_.begin();
}

// A change within the file system's last tick could have a successor's beside it.
bool Nodes::can_close(Node& node) const {
  if (node.key.birth != 0) return true;
  Inode inode;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  if (describe(node.held->get(), inode) != 0 || inode.stat.stx_ctime.tv_sec > now.tv_sec - kSettled)
    return false;
  node.changed = changed_at(inode);
  return true;
}

// The descriptor to close is returned, so that it is closed after the mutex is given up.
Nodes::Held Nodes::trim() {
  for (int tries = 0; tries < kTries && recent_.size() > max_held_ && recent_.size() >= 2; ++tries) {
    Node& node = nodes_.find(recent_.back())->second;
    if (!can_close(node)) {
      touch(node);
      continue;
    }
    recent_.pop_back();
    node.place = recent_.end();
    return std::exchange(node.held, nullptr);
  }
  return nullptr;
}

int Nodes::pin(uint64_t id, Pin& out, int depth) {
  uint64_t folder = 0;
  uint64_t changed = 0;
  std::string name;
  {
    Held closed;
    const std::scoped_lock lock(mutex_);
    const auto found = nodes_.find(id);
    if (found == nodes_.end()) return ESTALE;
    Node& node = found->second;
    if (node.held == nullptr) {
      if (Held held = node.last.lock()) {
        hold(id, node, std::move(held));
        closed = trim();
      }
    }
    out.id = id;
    out.key = node.key;
    out.type = node.type;
    if (node.held != nullptr) {
      touch(node);
      out.held = node.held;
      return 0;
    }
    folder = node.folder;
    changed = node.changed;
    name = node.name;
  }
  // The host may have moved folders so that each lies in the other by what we remember.
  if (depth == kMaxDepth || name.empty()) return ESTALE;
  Pin parent;
  if (const int error = pin(folder, parent, depth + 1)) return error;
  Fd fd;
  const int error = open_step(parent.fd(), name.c_str(), cross_mounts_, fd);
  if (error != 0) return error == ENOENT || error == ENOTDIR ? ESTALE : error;
  Inode inode;
  if (const int failure = describe(fd.get(), inode)) return failure;
  if (inode.key != out.key || (inode.key.birth == 0 && changed_at(inode) != changed)) return ESTALE;

  Held held = std::make_shared<const Fd>(std::move(fd));
  Held closed;
  const std::scoped_lock lock(mutex_);
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return ESTALE;
  if (found->second.held == nullptr) {
    hold(id, found->second, std::move(held));
    closed = trim();
  }
  out.held = found->second.held;
  return 0;
}

void Nodes::count(uint64_t id, Node& node, uint64_t folder, const char* name) {
  if (id == FUSE_ROOT_ID) return;
  ++node.lookups;
  if (name == nullptr) return;
  node.folder = folder;
  if (node.name != name) node.name = name;
}

bool Nodes::found_again(uint64_t folder, const char* name, const Inode& inode, Pin& out) {
  const std::scoped_lock lock(mutex_);
  const auto known = by_key_.find(inode.key);
  if (known == by_key_.end()) return false;
  Node& node = nodes_.find(known->second)->second;
  if (node.held == nullptr) return false;
  count(known->second, node, folder, name);
  touch(node);
  out = {known->second, node.key, node.type, node.held};
  return true;
}

int Nodes::found(uint64_t folder, const char* name, Fd fd, const Inode& inode, Pin& out) {
  Held held = std::make_shared<const Fd>(std::move(fd));
  Held closed;
  const std::scoped_lock lock(mutex_);
  auto known = by_key_.find(inode.key);
  if (known != by_key_.end() && inode.key.birth == 0) {
    const Node& closed_one = nodes_.find(known->second)->second;
    // Perhaps its successor. Whoever still uses the old number is told that it is stale.
    if (closed_one.held == nullptr && closed_one.last.expired() && closed_one.changed != changed_at(inode)) {
      by_key_.erase(known);
      known = by_key_.end();
    }
  }
  const uint64_t id = known != by_key_.end() ? known->second : next_;
  if (known == by_key_.end()) {
    if (too_many()) return ENFILE;
    ++next_;
    Node& node = nodes_[id];
    node.key = inode.key;
    node.type = inode.type();
    node.place = recent_.end();
    by_key_[inode.key] = id;
  }
  Node& node = nodes_.find(id)->second;
  count(id, node, folder, name);
  if (node.held == nullptr) {
    hold(id, node, std::move(held));
    closed = trim();
  } else {
    touch(node);
  }
  out = {id, node.key, node.type, node.held};
  return 0;
}

void Nodes::moved(const InodeKey& key, uint64_t folder, const char* name) {
  const std::scoped_lock lock(mutex_);
  const auto known = by_key_.find(key);
  if (known == by_key_.end() || known->second == FUSE_ROOT_ID) return;
  Node& node = nodes_.find(known->second)->second;
  node.folder = folder;
  node.name = name;
}

void Nodes::erase(std::unordered_map<uint64_t, Node>::iterator node) {
  if (node->second.place != recent_.end()) recent_.erase(node->second.place);
  const auto known = by_key_.find(node->second.key);
  if (known != by_key_.end() && known->second == node->first) by_key_.erase(known);
  nodes_.erase(node);
}

void Nodes::forget(uint64_t id, uint64_t lookups) {
  Held closed;
  const std::scoped_lock lock(mutex_);
  const auto node = nodes_.find(id);
  if (node == nodes_.end() || id == FUSE_ROOT_ID || lookups > node->second.lookups) return;
  node->second.lookups -= lookups;
  if (node->second.lookups != 0) return;
  closed = node->second.held;
  erase(node);
}

void Nodes::clear() {
  const std::scoped_lock lock(mutex_);
  for (auto node = nodes_.begin(); node != nodes_.end();) {
    const auto next = std::next(node);
    if (node->first != FUSE_ROOT_ID) erase(node);
    node = next;
  }
}

bool Nodes::full() const {
  const std::scoped_lock lock(mutex_);
  return too_many();
}

bool Nodes::unchanged(uint64_t id, const Inode& inode) {
  const Stamp now{inode.stat.stx_mtime.tv_sec, inode.stat.stx_mtime.tv_nsec, inode.stat.stx_size};
  const std::scoped_lock lock(mutex_);
  const auto node = nodes_.find(id);
  return node != nodes_.end() && std::exchange(node->second.content, now) == now;
}

Nodes::Usage Nodes::usage() const {
  const std::scoped_lock lock(mutex_);
  return {nodes_.size(), recent_.size() + 1};
}

}  // namespace sandstone::fs
