// The network namespace. Making one costs more than all the others together (about 500 us against 130), so a helper
// that shares the child's memory and descriptors makes it on another CPU while the child composes its root. Where there
// is no other CPU the child makes it itself: a helper would only add what it costs.

#include <linux/sockios.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/sys.h"
#include "net/link.h"
#include "net/user_network.h"
#include "walls/factories.h"
#include "walls/join_network.h"
#include "walls/setup.h"

namespace sandstone::walls {
namespace {

struct Helper {
  alignas(16) char stack[64 << 10];
  int namespace_fd = -1;
  int frames_fd = -1;
  int error = 0;
  const char* step = "";
  net::LinkPlan plan;
  bool wants_frames = false;
  pid_t pid = 0;
};

bool make_network(Helper& helper) noexcept {
  const auto failed = [&helper](long error, const char* step) {
    helper.error = static_cast<int>(error);
    helper.step = step;
    return false;
  };
  if (const long r = sys::call(SYS_unshare, CLONE_NEWNET); r < 0)
    return failed(r, "make a network namespace");
  // Ports below 1024 mean nothing in a network of one's own, and no capability is left to bind them with. As in docker;
  // where it cannot be set they stay out of reach, which takes nothing from the wall.
  const int low_ports = sys::openat(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY);
  if (low_ports >= 0) {
    sys::write(low_ports, "0", 1);
    sys::close(low_ports);
  }
  if (!helper.wants_frames) {
    const int r = net::bring_up_loopback();
    return r >= 0 || failed(r, "bring up the loopback interface");
  }
  net::LinkResult link;
  if (const int r = net::make_link(helper.plan, &link); r < 0) return failed(r, link.step);
  helper.frames_fd = link.frames;
  return true;
}

// The namespace that the caller is in, asked of a socket: a look into /proc would cost ten times as much.
long open_network() noexcept {
  const long socket = sys::call(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return socket;
  const long network = sys::call(SYS_ioctl, socket, SIOCGSKNS);
  sys::close(static_cast<int>(socket));
  return network;
}

int helper_main(void* argument) noexcept {
  auto& helper = *static_cast<Helper*>(argument);
  if (make_network(helper)) {
    const long network = open_network();
    helper.namespace_fd = static_cast<int>(network);
    if (network < 0) helper.error = static_cast<int>(network), helper.step = "open the network namespace";
  }
  sys::call(SYS_exit, 0);
  return 0;
}

class NetWall final : public Wall {
 public:
  [[nodiscard]] const char* name() const override { return "net"; }
  [[nodiscard]] Support support() const override {
    if (::access("/proc/self/ns/net", F_OK) == 0) return {};
    return {false, {}, "this kernel has no network namespaces", "use a kernel built with them"};
  }

  [[nodiscard]] bool needed(const RunSpec& spec) const override { return spec.network != Network::host; }

  Result<void> build(Setup& setup) override {
    helper_ = std::make_unique_for_overwrite<Helper>();  // its stack need not be zeroed
    // The tier kernel's interface is the library kernel's, so that nothing but a loopback is left out here.
    helper_->wants_frames = setup.spec.network == Network::user && setup.spec.tier != Tier::kernel;
    if (helper_->wants_frames) helper_->plan = net::link_plan(setup.spec);
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    has_other_cpu_ = ::sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) > 1;
    return {};
  }

  // clone(2) of the C library is used for its handling of the new stack; CLONE_VM means that it must not touch errno
  // on our side while we look at it, and we never do.
  [[nodiscard]] bool raise(Child& child) noexcept override {
    if (!has_other_cpu_) {
      if (!make_network(*helper_)) return child.fail(helper_->error, helper_->step);
      child.frames_fd = helper_->frames_fd;
      return true;
    }
    const int pid =
        ::clone(helper_main, helper_->stack + sizeof helper_->stack, CLONE_VM | CLONE_FILES, helper_.get());
    if (pid < 0) return child.fail(-EAGAIN, "start the network helper");
    helper_->pid = pid;
    child.network_helper = helper_.get();
    return true;
  }

 private:
  std::unique_ptr<Helper> helper_;
  bool has_other_cpu_ = true;
};

}  // namespace

bool join_network(Child& child) noexcept {
  auto* helper = static_cast<Helper*>(child.network_helper);
  if (helper == nullptr) return true;
  int status = 0;
  long r = 0;
  do r = sys::call(SYS_wait4, helper->pid, sys::word(&status), __WALL, 0);
  while (r == -EINTR);
  if (r < 0) return child.fail(static_cast<int>(r), "wait for the network helper");
  if (helper->error != 0) return child.fail(helper->error, helper->step);
  if (helper->namespace_fd < 0) return child.fail(-ECHILD, "make a network namespace");  // the helper died
  r = sys::call(SYS_setns, helper->namespace_fd, CLONE_NEWNET);
  sys::close(helper->namespace_fd);
  if (r < 0) return child.fail(static_cast<int>(r), "enter the network namespace");
  child.frames_fd = helper->frames_fd;
  child.network_helper = nullptr;
  return true;
}

std::unique_ptr<Wall> make_net_wall() {
  return std::make_unique<NetWall>();
}

}  // namespace sandstone::walls
