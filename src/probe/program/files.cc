// Reading the host's files.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "probe/program/attempt.h"
#include "probe/program/secret.h"

namespace sandstone::probe_program {
namespace {

constexpr char kArea[] = "host files";

// System files cannot carry a planted secret: they are recognised by the fingerprint of the host's content.
Verdict read_known_file(const Parameters& parameters, const std::string& key, const std::string& path) {
  if (!parameters.has(key))
    return not_applicable("the host's " + path + " is empty or cannot be read by the caller");
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return refused("open " + path);
  if (fingerprint(read_up_to(file.get())) == parameters.number(key))
    return allowed("read the host's " + path);
  return without_effect("read a " + path + " that is not the host's");
}

Verdict read_passwd(const Parameters& p) {
  return read_known_file(p, "passwd", "/etc/passwd");
}
Verdict read_shadow(const Parameters& p) {
  return read_known_file(p, "shadow", "/etc/shadow");
}
Verdict read_machine_id(const Parameters& p) {
  return read_known_file(p, "machine-id", "/etc/machine-id");
}

Verdict read_home_secret(const Parameters& p) {
  return read_secret_file(p, "secret", p.text("home") + "/secret");
}
Verdict read_ssh_key(const Parameters& p) {
  return read_secret_file(p, "secret", p.text("home") + "/.ssh/id_ed25519");
}
Verdict read_host_tmp(const Parameters& p) {
  return read_secret_file(p, "secret", p.text("tmp") + "/secret");
}
Verdict read_host_shm(const Parameters& p) {
  return read_secret_file(p, "secret", "/dev/shm/" + p.text("shm-file"));
}

Verdict read_dot_dot(const Parameters& p) {
  // More ".." than any working directory is deep: at the top they mean the root of the mount namespace.
  return read_secret_file(p, "secret",
                          "../../../../../../../../../../../../../../../.." + p.text("home") + "/secret");
}

Verdict read_symlink(const Parameters& p) {
  const Scratch scratch;
  if (!scratch.valid()) return not_applicable("no folder to write in");
  if (::symlink((p.text("home") + "/secret").c_str(), scratch.path("link").c_str()) != 0)
    return refused("symlink");
  return read_secret_file(p, "secret", scratch.path("link"));
}

Verdict list_home(const Parameters& p) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(p.text("home").c_str()), &::closedir);
  if (!folder) return refused("opendir " + p.text("home"));
  while (const dirent* entry = ::readdir(folder.get()))
    if (std::strcmp(entry->d_name, "secret") == 0) return allowed("listed the canary's home");
  return without_effect("an empty folder");
}

Verdict stat_home(const Parameters& p) {
  struct stat status{};
  if (::stat((p.text("home") + "/secret").c_str(), &status) != 0) return refused("stat");
  return allowed("size, owner and times of a file in the canary's home");
}

Verdict read_root_only(const Parameters& p) {
  if (!p.has("root-only")) return not_applicable("only a root caller can plant a file of root's");
  return read_secret_file(p, "secret", p.text("shared") + "/root-only");
}

std::string from_hex(const std::string& text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    bytes += static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1]));
  return bytes;
}

// A handle names an inode, whatever the view: any directory of the same file system serves as the way in.
Verdict open_by_handle(const Parameters& p) {
  const std::string bytes = from_hex(p.text("handle"));
  if (bytes.empty()) return not_applicable("the file system gives no handles");
  const std::string storage(sizeof(file_handle) + bytes.size(), '\0');
  auto* handle = reinterpret_cast<file_handle*>(const_cast<char*>(storage.data()));
  handle->handle_bytes = static_cast<unsigned>(bytes.size());
  handle->handle_type = static_cast<int>(p.number("handle-type"));
  std::memcpy(handle->f_handle, bytes.data(), bytes.size());
  int error = ESTALE;
  for (const std::string& way_in : {std::string("/"), std::string("/usr"), p.text("shared")}) {
    const Descriptor folder(::open(way_in.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.valid()) continue;
    const Descriptor file(::open_by_handle_at(folder.get(), handle, O_RDONLY | O_CLOEXEC));
    if (!file.valid()) {
      error = errno;
      continue;
    }
    if (p.holds_secret("secret", read_up_to(file.get())))
      return allowed("read the canary's secret by its inode");
  }
  return refused("open_by_handle_at", error);
}

constexpr Operation kOperations[] = {
    {"read-passwd", kArea, "reads the host's list of accounts, /etc/passwd", read_passwd},
    {"read-shadow", kArea, "reads the host's password hashes, /etc/shadow", read_shadow},
    {"read-machine-id", kArea, "reads the host's identity, /etc/machine-id", read_machine_id},
    {"read-home-secret", kArea, "reads a private file in the caller's home", read_home_secret},
    {"read-ssh-key", kArea, "reads a private SSH key in the caller's home", read_ssh_key},
    {"list-home", kArea, "lists the caller's home", list_home},
    {"stat-home", kArea, "reads size, owner and times of a file in the caller's home", stat_home},
    {"read-host-tmp", kArea, "reads a private file in the host's /tmp", read_host_tmp},
    {"read-host-shm", kArea, "reads a POSIX shared memory object of the host, in /dev/shm", read_host_shm},
    {"read-dot-dot", kArea, "climbs out of the view with '..' to the caller's home", read_dot_dot},
    {"read-symlink", kArea, "reaches the caller's home through a symlink of its own making", read_symlink},
    {"read-root-only", kArea, "reads a file that only the host's root may read, in a folder that was shared",
     read_root_only},
    {"open-by-handle", kArea, "opens a file outside the view by its inode (open_by_handle_at)",
     open_by_handle},
};

}  // namespace

std::span<const Operation> file_operations() {
  return kOperations;
}

}  // namespace sandstone::probe_program
