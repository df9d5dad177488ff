// Privilege: all five capability sets emptied, the securebits that could refill them locked, and no_new_privs, after
// which no setuid program or file capability gives any back.

#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>

#include "base/sys.h"
#include "walls/factories.h"
#include "walls/setup.h"

namespace sandstone::walls {
namespace {

long prctl(int option, unsigned long a = 0, unsigned long b = 0) noexcept {
  return sys::call(SYS_prctl, option, static_cast<long>(a), static_cast<long>(b), 0, 0);
}

class CapabilitiesWall final : public Wall {
 public:
  [[nodiscard]] const char* name() const override { return "capabilities"; }
  [[nodiscard]] bool restricts_child() const override { return true; }
  [[nodiscard]] Support support() const override { return {}; }

  // Ambient first, then the bounding set and securebits, which need CAP_SETPCAP, then what is left.
  [[nodiscard]] bool raise(Child& child) noexcept override {
    if (const long r = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL); r < 0)
      return child.fail(static_cast<int>(r), "clear the ambient set");
    // The kernel may know capabilities that our headers do not; the first that it does not know is past its last.
    for (unsigned long capability = 0; capability < 64; ++capability) {
      const long r = prctl(PR_CAPBSET_DROP, capability);
      if (r == -EINVAL && capability > 0) break;
      if (r < 0) return child.fail(static_cast<int>(r), "drop from the bounding set");
    }
    constexpr unsigned long kLocked = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                      SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                      SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    if (const long r = prctl(PR_SET_SECUREBITS, kLocked); r < 0)
      return child.fail(static_cast<int>(r), "lock the securebits");
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct nothing[2]{};
    const long r = sys::call(SYS_capset, sys::word(&header), sys::word(nothing));
    return r == 0 || child.fail(static_cast<int>(r), "empty the capability sets");
  }
};

class NoNewPrivsWall final : public Wall {
 public:
  [[nodiscard]] const char* name() const override { return "no-new-privs"; }
  [[nodiscard]] bool restricts_child() const override { return true; }
  [[nodiscard]] Support support() const override { return {}; }
  [[nodiscard]] bool raise(Child& child) noexcept override {
    const long r = prctl(PR_SET_NO_NEW_PRIVS, 1);
    return r == 0 || child.fail(static_cast<int>(r), "set no_new_privs");
  }
};

}  // namespace

std::unique_ptr<Wall> make_capabilities_wall() {
  return std::make_unique<CapabilitiesWall>();
}
std::unique_ptr<Wall> make_no_new_privs_wall() {
  return std::make_unique<NoNewPrivsWall>();
}

}  // namespace sandstone::walls
