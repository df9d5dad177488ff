#include "walls/cgroup_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/directory.h"

namespace sandstone::walls {
namespace {

constexpr const char* kRunPrefix = "run-";
constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::string random_name() {
  uint64_t number = 0;
  while (::getrandom(&number, sizeof number, 0) != sizeof number) {
  }
  return fmt::format("{}{:016x}", kRunPrefix, number);
}

bool is_still_there(int place, const std::string& name, const Fd& folder) {
  struct stat by_name{};
  struct stat by_fd{};
  return ::fstatat(place, name.c_str(), &by_name, AT_SYMLINK_NOFOLLOW) == 0 &&
         ::fstat(folder.get(), &by_fd) == 0 && by_name.st_ino == by_fd.st_ino;
}

// Both folders; an inner one that was never made is as good as removed.
bool remove_folders(int place, const RunGroup& group) {
  if (::unlinkat(group.outer.get(), kInnerGroup, AT_REMOVEDIR) != 0 && errno != ENOENT && errno != ENODEV)
    return false;
  return ::unlinkat(place, group.name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENODEV;
}

}  // namespace

int write_group_file(int group, const char* file, std::string_view text) {
  const Fd fd(::openat(group, file, O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return errno;
  return ::write(fd.get(), text.data(), text.size()) < 0 ? errno : 0;
}

std::string read_group_file(int group, const char* file) {
  const Fd fd(::openat(group, file, O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return {};
  std::string text;
  char block[4096];
  ssize_t got = 0;
  while ((got = ::read(fd.get(), block, sizeof block)) > 0) text.append(block, static_cast<size_t>(got));
  return got < 0 ? std::string() : text;
}

MadeRunGroup make_run_group(int place) {
  MadeRunGroup made;
  RunGroup& group = made.group;
  group.name = random_name();
  const auto fail = [&](const char* step, int error) {
    made.step = step;
    made.error = error;
    if (group.outer.valid()) remove_folders(place, group);
    group.inner.reset();
    group.outer.reset();
    return std::move(made);
  };
  if (::mkdirat(place, group.name.c_str(), 0700) != 0)
    return fail("make a group", errno == EEXIST ? EAGAIN : errno);
  group.outer = Fd(::openat(place, group.name.c_str(), kFolder));
  if (!group.outer.valid()) return fail("open the group", errno);
  // Between mkdir and flock it looks like a leftover, and another run's sweep may have taken it.
  if (::flock(group.outer.get(), LOCK_EX | LOCK_NB) != 0) return fail("lock the group", EAGAIN);
  if (!is_still_there(place, group.name, group.outer)) return fail("lock the group", EAGAIN);
  if (::mkdirat(group.outer.get(), kInnerGroup, 0700) != 0) return fail("make the inner group", errno);
  group.inner = Fd(::openat(group.outer.get(), kInnerGroup, kFolder));
  if (!group.inner.valid()) return fail("open the inner group", errno);
  // Groups that a workload made in it would have to be found and removed one by one.
  if (const int error = write_group_file(group.outer.get(), "cgroup.max.descendants", "1"); error != 0)
    return fail("write cgroup.max.descendants", error);
  return made;
}

bool remove_run_group(int place, const RunGroup& group, std::chrono::milliseconds patience) {
  if (remove_folders(place, group)) return true;
  write_group_file(group.outer.get(), "cgroup.kill", "1");
  const auto end = std::chrono::steady_clock::now() + patience;
  const Fd events(::openat(group.outer.get(), "cgroup.events", O_RDONLY | O_CLOEXEC));
  for (;;) {
    if (remove_folders(place, group)) return true;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    if (left <= 0) return false;
    // The kernel wakes us when the last process is gone; should that be missed, the timeout tries again.
    pollfd changed{events.get(), POLLPRI, 0};
    ::poll(&changed, 1, static_cast<int>(std::min<int64_t>(left, 50)));
    char seen[256];
    (void)!::pread(events.get(), seen, sizeof seen, 0);
  }
}

void sweep_run_groups(int place) {
  Directory groups(place);
  while (const char* name = groups.next()) {
    if (!std::string_view(name).starts_with(kRunPrefix)) continue;
    RunGroup group;
    group.name = name;
    group.outer = Fd(::openat(place, name, kFolder));
    if (!group.outer.valid() || ::flock(group.outer.get(), LOCK_EX | LOCK_NB) != 0)
      continue;  // its supervisor lives
    remove_run_group(place, group, std::chrono::seconds(1));
  }
}

}  // namespace sandstone::walls
