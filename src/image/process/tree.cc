#include "image/process/tree.h"

#include <fmt/format.h>

namespace sandstone::image {
namespace {

constexpr size_t kLongestName = 255;     // ext4
constexpr size_t kLongestTarget = 4095;  // a block, with the byte 0 that Linux puts behind it
constexpr size_t kLongestPath = 4096;
constexpr int kMostLinks = 40;  // path_resolution(7)

Error too_large(const char* what) {
  return Error{{}, fmt::format("the source holds too many {}", what), "split it up"};
}

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return parts;
}

// Whether the path, read as it stands, leaves the folder that it starts in.
bool climbs_out(std::string_view path) {
  int depth = 0;
  for (const std::string& part : split(path)) {
    depth += part == ".." ? -1 : 1;
    if (depth < 0) return true;
  }
  return false;
}

}  // namespace

Result<void> Tree::count_name(const std::string& name) {
  if (name.size() > kLongestName)
    return Error{{}, "the name is too long for ext4", fmt::format("{} bytes is the most", kLongestName)};
  text_ += name.size();
  if (++names_ > limits_.names) return too_large("files");
  if (text_ > limits_.text) return too_large("bytes of names and attributes");
  return {};
}

Result<void> Tree::count(const Node& node) {
  if (S_ISLNK(node.mode) && (node.target.empty() || node.target.size() > kLongestTarget))
    return Error{{}, "the symbolic link's target is empty or too long", {}};
  if (node.target.find('\0') != std::string::npos)
    return Error{{}, "the symbolic link's target holds a byte 0", {}};
  text_ += node.target.size();
  for (const auto& [name, value] : node.xattrs) text_ += name.size() + value.size();
  if (text_ > limits_.text) return too_large("bytes of names and attributes");
  return {};
}

// Into `name` from the folder at the end of the trail, whatever it takes but a symbolic link.
Result<NodeId> Tree::step(std::vector<NodeId>& trail, const std::string& name, Missing missing,
                          uint32_t layer) {
  const NodeId folder = trail.back();
  auto found = at(folder).names.find(name);
  if (found == at(folder).names.end()) {
    if (missing == Missing::fail) return Error{{}, "is not there", {}};
    auto made = add(folder, name, Node{});
    if (!made) return made;
    found = at(folder).names.find(name);
  }
  // A layer that puts something into a folder of a lower one keeps the folder from its own whiteouts.
  if (missing == Missing::make) found->second.layer = layer;
  return found->second.node;
}

Result<Tree::Place> Tree::locate(std::string_view path, Missing missing, uint32_t layer) {
  if (path.find('\0') != std::string_view::npos) return Error{{}, "the path holds a byte 0", {}};
  if (path.size() > kLongestPath) return Error{{}, "the path is too long", {}};
  std::vector<NodeId> trail{kRoot};
  std::vector<std::string> rest = split(path);
  int links = 0;
  for (size_t i = 0; i < rest.size(); ++i) {
    const std::string part = rest[i];
    if (part == "..") {  // of the root: the root, as in a chroot
      if (trail.size() > 1) trail.pop_back();
      continue;
    }
    if (i + 1 == rest.size()) return Place{trail.back(), part};
    auto next = step(trail, part, missing, layer);
    if (!next) return next.error();
    if (S_ISLNK(at(*next).mode)) {
      if (++links > kMostLinks) return Error{{}, "too many symbolic links on the way", {}};
      const std::string& target = at(*next).target;
      std::vector<std::string> again = split(target);
      if (target.starts_with('/')) trail.resize(1);
      again.insert(again.end(), rest.begin() + static_cast<ptrdiff_t>(i) + 1, rest.end());
      if (again.size() > kLongestPath) return Error{{}, "the path is too long", {}};
      rest = std::move(again);
      i = SIZE_MAX;  // from the start of it
      continue;
    }
    if (!at(*next).is_folder()) return Error{{}, fmt::format("'{}' on the way is no folder", part), {}};
    trail.push_back(*next);
  }
  if (trail.size() == 1) return Place{kRoot, {}};
  // It ends with "..": the folder's name is the one that leads to it from the folder above.
  const NodeId folder = trail[trail.size() - 2];
  for (const auto& [name, entry] : at(folder).names)
    if (entry.node == trail.back()) return Place{folder, name};
  return Error{{}, "is not there", {}};
}

Result<NodeId> Tree::add(NodeId folder, std::string name, Node node) {
  if (auto counted = count_name(name); !counted) return counted.error();
  if (auto counted = count(node); !counted) return counted.error();
  const auto id = static_cast<NodeId>(nodes_.size());
  const uint32_t layer = node.layer;
  nodes_.push_back(std::move(node));
  at(folder).names.insert_or_assign(std::move(name), Node::Name{id, layer});
  return id;
}

Result<void> Tree::add_link(NodeId folder, std::string name, NodeId node) {
  if (auto counted = count_name(name); !counted) return counted;
  at(folder).names.insert_or_assign(std::move(name), Node::Name{node, at(node).layer});
  return {};
}

Result<NodeId> Tree::put(std::string_view path, Node node, uint32_t layer) {
  node.layer = layer;
  auto place = locate(path, Missing::make, layer);
  if (!place) return place.error();
  NodeId there = kRoot;
  if (!place->name.empty()) {
    auto& names = at(place->folder).names;
    const auto found = names.find(place->name);
    if (found == names.end() || !node.is_folder() || !at(found->second.node).is_folder())
      return add(place->folder, place->name, std::move(node));
    there = found->second.node;
    found->second.layer = layer;
  } else if (!node.is_folder()) {
    return Error{{}, "is the root, and no folder", {}};
  }
  if (auto counted = count(node); !counted) return counted.error();
  node.names = std::move(at(there).names);
  at(there) = std::move(node);
  return there;
}

Result<void> Tree::link(std::string_view path, std::string_view target, uint32_t layer) {
  if (climbs_out(target))
    return Error{{}, fmt::format("is a hard link to '{}', outside of the archive", target), "leave it out"};
  const Error absent{
      {}, fmt::format("is a hard link to '{}', which the archive does not hold before it", target), {}};
  auto from = locate(target, Missing::fail, layer);
  if (!from || from->name.empty()) return absent;
  const auto found = at(from->folder).names.find(from->name);
  if (found == at(from->folder).names.end()) return absent;
  const NodeId node = found->second.node;
  if (at(node).is_folder())
    return Error{{}, fmt::format("is a hard link to '{}', a folder", target), "leave it out"};
  auto to = locate(path, Missing::make, layer);
  if (!to) return to.error();
  if (to->name.empty()) return Error{{}, "is the root, and no folder", {}};
  if (auto counted = count_name(to->name); !counted) return counted;
  at(to->folder).names.insert_or_assign(to->name, Node::Name{node, layer});
  return {};
}

void Tree::drop_below(NodeId top, uint32_t layer) {
  std::vector<NodeId> folders{top};
  while (!folders.empty()) {
    auto& names = at(folders.back()).names;
    folders.pop_back();
    for (auto name = names.begin(); name != names.end();) {
      if (name->second.layer < layer) {
        name = names.erase(name);
        continue;
      }
      if (at(name->second.node).is_folder()) folders.push_back(name->second.node);
      ++name;
    }
  }
}

void Tree::hide(std::string_view path, uint32_t layer) {
  auto place = locate(path, Missing::fail, layer);
  if (!place || place->name.empty()) return;
  auto& names = at(place->folder).names;
  const auto found = names.find(place->name);
  if (found == names.end()) return;
  if (found->second.layer < layer)
    names.erase(found);
  else if (at(found->second.node).is_folder())
    drop_below(found->second.node, layer);
}

void Tree::hide_content(std::string_view path, uint32_t layer) {
  auto place = locate(path, Missing::fail, layer);
  if (!place) return;
  if (place->name.empty()) return drop_below(kRoot, layer);
  const auto& names = at(place->folder).names;
  const auto found = names.find(place->name);
  if (found != names.end() && at(found->second.node).is_folder()) drop_below(found->second.node, layer);
}

}  // namespace sandstone::image
