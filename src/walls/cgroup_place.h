// GroupPlace: where in the host's tree of control groups the groups of our runs are made.
//
// It is a folder `sandstone`, closed to other users, below the nearest group above the caller's own that the
// caller owns and that has the controllers: the sandbox then stays within the limits of as many groups above
// it as can be. A caller who owns only the group that it is in, alone, is moved to a leaf of that group,
// since cgroup v2 lets no group both hold processes and divide its resources.
#pragma once

#include <sandstone/result.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "walls/cgroup_files.h"
#include "walls/wall.h"

namespace sandstone::walls {

using Controllers = std::vector<std::string_view>;  // "memory", "pids", "cpu"

class GroupPlace {
 public:
  // Whether there is such a place, and if not, why and what to do. Changes nothing.
  static Support survey(const Controllers& wanted);

  // Makes the folder, if it is not there yet, and has `wanted` in force for what is made in it.
  static Result<GroupPlace> claim(const Controllers& wanted);

  GroupPlace(GroupPlace&&) noexcept = default;
  GroupPlace& operator=(GroupPlace&& other) noexcept;
  ~GroupPlace();  // removes the folder, and what dead supervisors left in it, unless a run still uses it

  [[nodiscard]] int folder() const { return folder_.get(); }

 private:
  GroupPlace(Fd host, Fd folder) : host_(std::move(host)), folder_(std::move(folder)) {}
  static Result<GroupPlace> claim_below(const GroupFolder& folder, Fd host, const Controllers& wanted);
  void leave();

  Fd host_;  // the group that `sandstone` is made in
  Fd folder_;
};

// Why the group open as `folder` cannot be host to a place. `path` is for the text alone.
struct Objection {
  enum class Kind : uint8_t { none, not_ours, other };
  Kind kind = Kind::none;
  std::string reason;
  std::string remedy;
};
[[nodiscard]] Objection objection_to(int folder, const std::string& path, const Controllers& wanted);

}  // namespace sandstone::walls
