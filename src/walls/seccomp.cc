// The seccomp wall: loads the filter and, for the report of denials, a listener that never authorises anything.

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/sys.h"
#include "walls/factories.h"
#include "walls/seccomp_policy.h"
#include "walls/setup.h"

namespace sandstone::walls {
namespace {

bool action_available(uint32_t action) {
  return sys::call(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, sys::word(&action)) == 0;
}

class SeccompWall final : public Wall {
 public:
  [[nodiscard]] const char* name() const override { return "seccomp"; }
  [[nodiscard]] bool restricts_child() const override { return true; }

  [[nodiscard]] Support support() const override {
    if (!action_available(SECCOMP_RET_KILL_PROCESS))
      return {false, {}, "this kernel has no seccomp filters", "use a kernel with CONFIG_SECCOMP_FILTER"};
    Support support;
    if (!action_available(SECCOMP_RET_USER_NOTIF))
      support.reason = "denials cannot be reported before Linux 5.0";
    else
      support.extent = "with reports of denials";
    return support;
  }

  Result<void> build(Setup& setup) override {
    // A listener that the caller runs under already would make ours fail: one is all that a chain of filters may have.
    notify_ = setup.report_denials && action_available(SECCOMP_RET_USER_NOTIF);
    return {};
  }

  [[nodiscard]] bool raise(Child& child) noexcept override {
    const bool privileged_by_nnp = child.setup.has("no-new-privs");
    if (!privileged_by_nnp && child.setup.has("capabilities")) {
      // Only an experiment has this wall without no_new_privs, and then no capability is left to load a filter with.
      if (const long r = sys::call(SYS_prctl, 38 /* PR_SET_NO_NEW_PRIVS */, 1, 0, 0, 0); r < 0)
        return child.fail(static_cast<int>(r), "set no_new_privs");
    }
    if (child.setup.serves_calls) {
      const long r = load(serving_filter(), 0);
      return r == 0 || child.fail(static_cast<int>(r), "load the filter");
    }
    if (notify_) {
      long r =
          load(full_filter(true), SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
      if (r == -EINVAL) r = load(full_filter(true), SECCOMP_FILTER_FLAG_NEW_LISTENER);  // before Linux 5.19
      if (r >= 0) {
        child.listener_fd = static_cast<int>(r);
        return true;
      }
      if (r != -EBUSY) return child.fail(static_cast<int>(r), "load the filter");
      const long silent = load(full_filter(false), 0);
      return silent == 0 || child.fail(static_cast<int>(silent), "load the filter");
    }
    const long r = load(full_filter(false), 0);
    return r == 0 || child.fail(static_cast<int>(r), "load the filter");
  }

 private:
  static long load(std::span<const sock_filter> filter, unsigned flags) noexcept {
    const sock_fprog program{static_cast<unsigned short>(filter.size()),
                             const_cast<sock_filter*>(filter.data())};  // only read
    return sys::call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, sys::word(&program));
  }

  bool notify_ = false;
};

}  // namespace

std::unique_ptr<Wall> make_seccomp_wall() {
  return std::make_unique<SeccompWall>();
}

}  // namespace sandstone::walls
