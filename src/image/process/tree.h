// Tree: what the image will hold, in memory, before a byte of it is written. Names and symbolic links from
// archives are followed in here only, so none can lead anywhere else.
#pragma once

#include <sandstone/result.h>
#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandstone::image {

using NodeId = uint32_t;

struct Node {
  static constexpr uint64_t kNoEntry = UINT64_MAX;

  mode_t mode = S_IFDIR | 0755;  // with the type
  uint32_t uid = 0;
  uint32_t gid = 0;
  int64_t mtime = 0;
  uint32_t nanoseconds = 0;
  uint64_t size = 0;  // of a regular file
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  std::string target;  // of a symbolic link
  std::vector<std::pair<std::string, std::string>> xattrs;

  // Where a regular file's content is: an entry's number, counted from 0, in a layer.
  uint32_t layer = 0;
  uint64_t entry = kNoEntry;

  // Of a folder. `layer` is the last that named it, or something in it.
  struct Name {
    NodeId node;
    uint32_t layer;
  };
  std::map<std::string, Name, std::less<>> names;

  [[nodiscard]] bool is_folder() const { return S_ISDIR(mode); }
  [[nodiscard]] bool is_file() const { return S_ISREG(mode); }
};

struct Limits {
  uint64_t names = 4'000'000;
  uint64_t text = 512ULL << 20;  // bytes of names, targets and extended attributes, all together
};

class Tree {
 public:
  static constexpr NodeId kRoot = 0;

  explicit Tree(Limits limits = {}) : limits_(limits) { nodes_.emplace_back(); }

  [[nodiscard]] Node& at(NodeId id) { return nodes_[id]; }
  [[nodiscard]] const Node& at(NodeId id) const { return nodes_[id]; }
  [[nodiscard]] size_t size() const { return nodes_.size(); }

  // Puts `node` at `path`, in the place of what is there; a folder that meets a folder takes its names over.
  // Folders on the way that are missing are made. The Error's place is left empty.
  Result<NodeId> put(std::string_view path, Node node, uint32_t layer);

  // Gives the non-folder at `target` one more name. A path that climbs out of the root is an error.
  Result<void> link(std::string_view path, std::string_view target, uint32_t layer);

  // Puts `node` into `folder`, where nothing has that name yet.
  Result<NodeId> add(NodeId folder, std::string name, Node node);
  Result<void> add_link(NodeId folder, std::string name, NodeId node);

  // The whiteouts of a layer (OCI image specification, "Whiteouts"): what layers below `layer` have put at
  // `path`, or into the folder there, goes; what the layer itself put there stays.
  void hide(std::string_view path, uint32_t layer);
  void hide_content(std::string_view path, uint32_t layer);

 private:
  struct Place {  // of a name, whether or not it is there
    NodeId folder;
    std::string name;  // empty: the root itself
  };
  enum class Missing : uint8_t { make, fail };
  Result<Place> locate(std::string_view path, Missing missing, uint32_t layer);
  Result<NodeId> step(std::vector<NodeId>& trail, const std::string& name, Missing missing, uint32_t layer);
  void drop_below(NodeId folder, uint32_t layer);
  Result<void> count(const Node& node);
  Result<void> count_name(const std::string& name);

  std::vector<Node> nodes_;
  Limits limits_;
  uint64_t names_ = 0;
  uint64_t text_ = 0;
};

}  // namespace sandstone::image
