#include "spec/config_user.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "base/fd.h"
#include "base/names_file.h"
#include "spec/config_values.h"

namespace sandstone {
namespace {

constexpr size_t kLargestFile = 1 << 20;

// The files are read by our own hand: the command is linked statically, where the libc's lookups do not work,
// and a rootfs has users of its own. A hostile rootfs could make its passwd a link to a file of the host's,
// or a fifo that never ends: so links are followed inside the root only, and nothing but a regular file is
// read.
Result<std::string> read_in_root(const std::string& rootfs, const char* path) {
  const Fd root(::open(rootfs.empty() ? "/" : rootfs.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) return system_error({}, fmt::format("cannot open the root '{}'", rootfs), errno);
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const Fd file(static_cast<int>(::syscall(SYS_openat2, root.get(), path, &how, sizeof how)));
  struct stat status{};
  if (!file.valid() || ::fstat(file.get(), &status) != 0)
    return system_error({}, fmt::format("cannot look up names in '{}{}'", rootfs, path), errno,
                        "use a number");
  if (!S_ISREG(status.st_mode))
    return Error{{}, fmt::format("'{}{}' is not a file", rootfs, path), "use a number"};
  std::string content;
  char block[16384];
  for (;;) {
    const ssize_t got = ::read(file.get(), block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return system_error({}, fmt::format("cannot read '{}{}'", rootfs, path), errno, "use a number");
    if (got == 0) return content;
    content.append(block, static_cast<size_t>(got));
    if (content.size() > kLargestFile)
      return Error{{}, fmt::format("'{}{}' is larger than 1 MiB", rootfs, path), "use a number"};
  }
}

std::optional<uint32_t> number(std::string_view text) {
  auto count = parse_count(text);
  return count ? std::optional(*count) : std::nullopt;
}

// 0xffffffff means "no change" to the kernel's calls.
bool is_id(std::optional<uint32_t> value) {
  return value && *value != 0xffffffffU;
}

}  // namespace

Result<User> resolve_user(std::string_view text, const std::string& rootfs) {
  const size_t colon = text.find(':');
  const std::string_view user_name = text.substr(0, colon);
  User user;
  if (const auto uid = number(user_name)) {
    if (!is_id(uid)) return Error{{}, fmt::format("'{}' is not an id", user_name), "0 to 4294967294"};
    user = {*uid, *uid};
  } else {
    auto passwd = read_in_root(rootfs, "/etc/passwd");
    if (!passwd) return passwd.error();
    const auto fields = find_fields(*passwd, 0, user_name);
    const auto listed_uid = fields.size() >= 4 ? number(fields[2]) : std::nullopt;
    const auto listed_gid = fields.size() >= 4 ? number(fields[3]) : std::nullopt;
    if (!is_id(listed_uid) || !is_id(listed_gid))
      return Error{{}, fmt::format("no user '{}' in {}/etc/passwd", user_name, rootfs), "use a number"};
    user = {*listed_uid, *listed_gid};
  }
  if (colon == std::string_view::npos) return user;

  const std::string_view group_name = text.substr(colon + 1);
  if (const auto gid = number(group_name)) {
    if (!is_id(gid)) return Error{{}, fmt::format("'{}' is not an id", group_name), "0 to 4294967294"};
    user.gid = *gid;
    return user;
  }
  auto group = read_in_root(rootfs, "/etc/group");
  if (!group) return group.error();
  const auto fields = find_fields(*group, 0, group_name);
  const auto gid = fields.size() >= 3 ? number(fields[2]) : std::nullopt;
  if (!is_id(gid))
    return Error{{}, fmt::format("no group '{}' in {}/etc/group", group_name, rootfs), "use a number"};
  user.gid = *gid;
  return user;
}

}  // namespace sandstone
