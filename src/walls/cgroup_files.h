// What the kernel says about control groups in its files, read as text. Pure functions: what they are given
// may come from a container, an old kernel or another's mount, and is never trusted to be well-formed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandstone::walls {

// The caller's group in cgroup v2, from /proc/self/cgroup: a path as the caller's cgroup namespace sees it,
// which starts with "/.." for a group outside of that namespace.
[[nodiscard]] std::optional<std::string> own_group(std::string_view proc_self_cgroup);

struct GroupMount {
  std::string point;  // where it is mounted
  std::string root;   // the group that shows there, as the caller's cgroup namespace sees it
};

// All mounts of cgroup v2, from /proc/self/mountinfo. A host may have several, and the one of a hybrid host
// is not at /sys/fs/cgroup.
[[nodiscard]] std::vector<GroupMount> group_mounts(std::string_view mountinfo);

// The folders of `own` and of every group above it, nearest first, as far as one of the mounts shows them.
struct GroupFolder {
  std::string path;
  bool own = false;  // the caller is in it
};
[[nodiscard]] std::vector<GroupFolder> group_folders(const std::vector<GroupMount>& mounts,
                                                     const std::string& own);

// Whether `word` is in a list such as cgroup.controllers.
[[nodiscard]] bool has_word(std::string_view text, std::string_view word);

// The value of `key` in a file of lines "KEY VALUE", such as memory.events; 0 if it is not there.
[[nodiscard]] uint64_t counter(std::string_view text, std::string_view key);

// What to write to cpu.max for so many CPUs.
[[nodiscard]] std::string cpu_max(double cpus);

}  // namespace sandstone::walls
