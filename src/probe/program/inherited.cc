// What the workload was born with: the launcher's descriptors, environment, keys, terminal and executable.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "probe/program/attempt.h"
#include "probe/program/secret.h"

namespace sandstone::probe_program {
namespace {

constexpr char kArea[] = "inherited";

Verdict environment_secret(const Parameters& p) {
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (p.holds_secret("inherited", *entry)) return allowed("found the launcher's secret in its environment");
  return without_effect("the environment holds nothing of the launcher's");
}

Verdict leaked_file(const Parameters& p) {
  char data[64] = {};
  if (::pread(static_cast<int>(p.number("leaked-file")), data, sizeof data - 1, 0) < 0)
    return refused("read");
  if (!p.holds_secret("inherited", data)) return without_effect("not the launcher's descriptor");
  return allowed("read the launcher's open file");
}

// CVE-2024-21626: a folder that was left open is a way out of any view.
Verdict leaked_folder(const Parameters& p) {
  const Descriptor file(
      ::openat(static_cast<int>(p.number("leaked-folder")), "secret", O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return refused("openat");
  if (!p.holds_secret("secret", read_up_to(file.get()))) return without_effect("not the launcher's folder");
  return allowed("walked out through the launcher's open folder");
}

// Any descriptor beyond the three standard ones, wherever it is.
Verdict any_descriptor(const Parameters& p) {
  for (int fd = 3; fd < 1024; ++fd) {
    char data[64] = {};
    if (::pread(fd, data, sizeof data - 1, 0) > 0 && p.holds_secret("inherited", data))
      return allowed("found the launcher's open file");
    const Descriptor file(::openat(fd, "secret", O_RDONLY | O_CLOEXEC));
    if (file.valid() && p.holds_secret("secret", read_up_to(file.get())))
      return allowed("found the launcher's open folder");
  }
  return without_effect("no descriptor of the launcher's");
}

std::string launcher_file(const Parameters& p, const char* name) {
  return "/proc/" + p.text("parent") + "/" + name;
}

Verdict launcher_environment(const Parameters& p) {
  for (const std::string& pid : {p.text("parent"), p.text("launcher-pid")}) {
    const Descriptor file(::open(("/proc/" + pid + "/environ").c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) continue;
    const std::string data = read_up_to(file.get());
    if (!data.empty() && fingerprint(data) == p.number("launcher-environment"))
      return allowed("read the launcher's environment");
  }
  const Descriptor file(::open(launcher_file(p, "environ").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return refused("open environ");
  return without_effect("not the launcher's environment");
}

// CVE-2019-5736: whoever can open the launcher's executable for reading can wait until it ends and write to
// it.
Verdict launcher_executable(const Parameters& p) {
  int error = ENOENT;
  bool opened = false;
  for (const std::string& pid : {p.text("parent"), p.text("launcher-pid"), std::string("self")}) {
    const std::string path = "/proc/" + pid + "/exe";
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status{};
    if (!file.valid() || ::fstat(file.get(), &status) != 0) {
      error = errno;
      continue;
    }
    opened = true;
    const std::string identity = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
    if (identity != p.text("launcher-executable")) continue;
    // Being written to is the harm: a read-only mount or lack of rights stands in the way of that.
    if (::faccessat(AT_FDCWD, ("/proc/self/fd/" + std::to_string(file.get())).c_str(), W_OK, AT_EACCESS) == 0)
      return allowed("holds the launcher's executable, and may write to it once it has ended");
    return refused("write to the launcher's executable");
  }
  if (opened) return without_effect("executables of the sandbox's own");
  return refused("open /proc/PID/exe", error);
}

Verdict launcher_descriptor(const Parameters& p) {
  int error = ENOENT;
  for (const std::string& pid : {p.text("parent"), p.text("launcher-pid")}) {
    const Descriptor file(
        ::open(("/proc/" + pid + "/fd/" + p.text("leaked-file")).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file.valid()) {
      error = errno;
      continue;
    }
    if (p.holds_secret("inherited", read_up_to(file.get())))
      return allowed("reopened a file that the launcher holds");
  }
  return refused("open /proc/PID/fd", error);
}

Verdict launcher_key(const Parameters& p) {
  if (!p.has("key")) return not_applicable("the kernel has no key store");
  constexpr long kSearch = 10;
  constexpr long kRead = 11;
  constexpr long kSessionKeyring = -3;
  const long key = ::syscall(SYS_keyctl, kSearch, kSessionKeyring, "user", p.text("key").c_str(), 0);
  if (key < 0) return refused("KEYCTL_SEARCH");
  char data[64] = {};
  if (::syscall(SYS_keyctl, kRead, key, data, sizeof data - 1) < 0) return refused("KEYCTL_READ");
  if (!p.holds_secret("inherited", data)) return without_effect("not the launcher's key");
  return allowed("read a key from the launcher's session");
}

Verdict launcher_terminal(const Parameters& p) {
  if (!p.has("terminal")) return not_applicable("no pty could be made on the host");
  const Descriptor terminal(::open("/dev/tty", O_WRONLY | O_CLOEXEC | O_NONBLOCK));
  if (!terminal.valid()) return refused("open /dev/tty");
  if (!write_whole(terminal.get(), "launcher-terminal\n")) return refused("write");
  return claimed("wrote escape sequences to the launcher's terminal");
}

// CVE-2017-5226, CVE-2019-7303: types into the launcher's shell. `request` may carry bits that only a filter
// sees.
Verdict type_ahead(const Parameters& p, unsigned long request, const char letter) {
  if (!p.has("terminal")) return not_applicable("no pty could be made on the host");
  const Descriptor terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!terminal.valid()) return refused("open /dev/tty");
  if (::syscall(SYS_ioctl, terminal.get(), request, &letter) != 0) return refused("TIOCSTI");
  return claimed("typed into the launcher's terminal");
}

Verdict tiocsti(const Parameters& p) {
  return type_ahead(p, TIOCSTI, 'a');
}
Verdict tiocsti_high_bits(const Parameters& p) {
  return type_ahead(p, 1UL << 32 | TIOCSTI, 'b');
}

Verdict tioclinux(const Parameters& p) {
  // Selects nothing: asks the console for the state of the shift keys, which a filter against pasting must
  // refuse too.
  if (!p.has("terminal")) return not_applicable("no pty could be made on the host");
  for (const char* path : {"/dev/tty", "/dev/tty0", "/dev/console"}) {
    const Descriptor terminal(::open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    char command = 6;
    if (terminal.valid() && ::ioctl(terminal.get(), TIOCLINUX, &command) >= 0)
      return allowed("drives the host's console");
    if (terminal.valid() && errno == EPERM) return refused("TIOCLINUX");
  }
  return refused("TIOCLINUX");
}

constexpr Operation kOperations[] = {
    {"environment-secret", kArea, "finds a secret of the launcher's in its environment", environment_secret},
    {"leaked-file", kArea, "reads a file that the launcher left open", leaked_file},
    {"leaked-folder", kArea, "walks out through a folder that the launcher left open", leaked_folder},
    {"any-descriptor", kArea, "finds any descriptor of the launcher's among the first 1,024", any_descriptor},
    {"launcher-environ", kArea, "reads the launcher's environment through /proc", launcher_environment},
    {"launcher-exe", kArea, "gets at the launcher's executable through /proc/PID/exe", launcher_executable},
    {"launcher-fd", kArea, "reopens a file that the launcher holds, through /proc/PID/fd",
     launcher_descriptor},
    {"launcher-key", kArea, "reads a key from the launcher's session keyring", launcher_key},
    {"launcher-terminal", kArea, "writes to the launcher's controlling terminal", launcher_terminal},
    {"tiocsti", kArea, "types into the launcher's terminal (TIOCSTI)", tiocsti},
    {"tiocsti-high-bits", kArea, "the same with bits in the request that only a filter looks at",
     tiocsti_high_bits},
    {"tioclinux", kArea, "drives the host's console (TIOCLINUX)", tioclinux},
};

}  // namespace

std::span<const Operation> inherited_operations() {
  return kOperations;
}

}  // namespace sandstone::probe_program
