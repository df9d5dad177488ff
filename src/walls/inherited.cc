// What a process inherits without asking: its environment, its open files, its session and terminal.

#include <fmt/format.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/sys.h"
#include "walls/factories.h"
#include "walls/setup.h"

namespace sandstone::walls {
namespace {

constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void set_variable(std::vector<std::string>& environment, const std::string& name, const std::string& value) {
  const std::string prefix = name + "=";
  std::erase_if(environment, [&](const std::string& entry) { return entry.starts_with(prefix); });
  environment.push_back(prefix + value);
}

// A fresh environment, so that tokens and passwords in the caller's stay there. Without the wall, all of it.
class EnvironmentWall final : public Wall {
 public:
  [[nodiscard]] const char* name() const override { return "environment"; }
  [[nodiscard]] Support support() const override { return {}; }

  Result<void> build(Setup& setup) override {
    auto& environment = setup.environment;
    environment.clear();
    set_variable(environment, "PATH", kPath);
    set_variable(environment, "HOME", setup.home);
    set_variable(environment, "USER", setup.inside.uid == 0 ? "root" : "sandbox");
    set_variable(environment, "LANG", "C.UTF-8");
    if (setup.spec.terminal) {
      const char* term = std::getenv("TERM");
      set_variable(environment, "TERM", term != nullptr ? term : "xterm");
    }
    return {};
  }
};

class DescriptorsWall final : public Wall {
 public:
  [[nodiscard]] const char* name() const override { return "descriptors"; }
  [[nodiscard]] Support support() const override { return {}; }

  // CVE-2024-21626: a directory descriptor that leaks into the sandbox is a way out of any root. Close-on-exec rather
  // than close, since the walls to come still need theirs.
  [[nodiscard]] bool raise(Child& child) noexcept override {
    const long r = sys::call(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);
    return r == 0 || child.fail(static_cast<int>(r), "close_range");
  }
};

class SessionWall final : public Wall {
 public:
  [[nodiscard]] const char* name() const override { return "session"; }
  [[nodiscard]] Support support() const override { return {}; }

  [[nodiscard]] bool raise(Child& child) noexcept override {
    // Without a controlling terminal TIOCSTI has nothing to type into (CVE-2017-5226).
    if (const long r = sys::call(SYS_setsid); r < 0) return child.fail(static_cast<int>(r), "setsid");
    // Who possesses the caller's session keyring can read the keys in it, whatever namespaces say. Where the call does
    // not exist or is filtered, the workload cannot make it either.
    const long r = sys::call(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0);
    return r >= 0 || r == -ENOSYS || r == -EPERM ||
           child.fail(static_cast<int>(r), "join a session keyring of its own");
  }
};

}  // namespace

std::unique_ptr<Wall> make_environment_wall() {
  return std::make_unique<EnvironmentWall>();
}
std::unique_ptr<Wall> make_descriptors_wall() {
  return std::make_unique<DescriptorsWall>();
}
std::unique_ptr<Wall> make_session_wall() {
  return std::make_unique<SessionWall>();
}

}  // namespace sandstone::walls
