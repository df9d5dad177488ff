#include "probe/bequest.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <regex>

#include "probe/program/secret.h"

namespace sandstone::probe {
namespace {

// Far from what a sandbox opens for itself, so that a number is not by chance that of something else; and
// without close-on-exec: a launcher's mistake, made on purpose.
constexpr int kFirstLeaked = 200;

Fd leak(int fd) {
  const Fd original(fd);
  return Fd(original.valid() ? ::fcntl(original.get(), F_DUPFD, kFirstLeaked) : -1);
}

}  // namespace

Bequest::Bequest(const std::map<std::string, std::string>& canary) {
  const std::string secret = probe_program::make_secret();
  parameters_["inherited"] = std::to_string(probe_program::fingerprint(secret));
  ::setenv("SANDSTONE_PROBE_SECRET", secret.c_str(), 1);
  const auto value = [&](const char* key) {
    const auto found = canary.find(key);
    return found == canary.end() ? std::string() : found->second;
  };
  leave_files_open(secret, value("home"));
  store_key(secret);
  if (const std::string path = value("pty"); !path.empty()) take_terminal(path);
  describe_launcher();
}

void Bequest::leave_files_open(const std::string& secret, const std::string& home) {
  file_ = leak(::memfd_create("sandstone-leaked", MFD_CLOEXEC));
  if (file_.valid() &&
      ::write(file_.get(), secret.data(), secret.size()) == static_cast<ssize_t>(secret.size()))
    parameters_["leaked-file"] = std::to_string(file_.get());
  folder_ = leak(::open(home.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder_.valid()) parameters_["leaked-folder"] = std::to_string(folder_.get());
}

void Bequest::store_key(const std::string& secret) {
  constexpr long kJoinSessionKeyring = 1;
  constexpr long kSessionKeyring = -3;
  constexpr char kName[] = "sandstone-probe";
  // A new session keyring: the caller's own is left as it is.
  if (::syscall(SYS_keyctl, kJoinSessionKeyring, nullptr) < 0) return;
  if (::syscall(SYS_add_key, "user", kName, secret.data(), secret.size(), kSessionKeyring) >= 0)
    parameters_["key"] = kName;
}

void Bequest::take_terminal(const std::string& path) {
  // The terminal ends with the canary, and the kernel then hangs up on its session. Caught, not ignored: what
  // is ignored stays so across exec, in the sandboxes too.
  struct sigaction action{};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGHUP, &action, nullptr);
  // The first terminal that a session leader opens becomes the session's.
  terminal_ = Fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (Fd(::open("/dev/tty", O_RDWR | O_CLOEXEC)).valid()) parameters_["terminal"] = path;
}

void Bequest::describe_launcher() {
  parameters_["launcher-pid"] = std::to_string(::getpid());
  struct stat status{};
  if (::stat("/proc/self/exe", &status) == 0)
    parameters_["launcher-executable"] = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
  // In the root group there is nothing to learn.
  if (auto groups = read_file("/proc/self/cgroup");
      groups && std::regex_search(*groups, std::regex(":/[^\n]")))
    parameters_["control-group"] = std::to_string(probe_program::fingerprint(*groups));
  if (auto environment = read_file("/proc/self/environ"))
    parameters_["launcher-environment"] =
        std::to_string(probe_program::fingerprint(environment->substr(0, 65536)));
}

}  // namespace sandstone::probe
