#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "cli/doctor.h"
#include "cli/doctor_experiments.h"

namespace sandstone::cli {
namespace {

bool has_user_namespaces() {
  static const bool has = try_in_child(experiment_of("user")) == 0;
  return has;
}

Finding rootfs() {
  if (!has_user_namespaces()) return {"--rootfs", Area::view, Level::no, "needs the wall user", {}};
  const int error = try_in_child(mount_overlay);
  if (error == 0) return {"--rootfs", Area::view, Level::yes, "overlayfs in a user namespace", {}};
  return {"--rootfs", Area::view, Level::no, "no overlayfs in a user namespace: " + errno_text(error),
          "Linux 5.11 or later with overlayfs (modprobe overlay)"};
}

// ip link add type veth, in the words of rtnetlink(7).
int make_veth() {
  const Fd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!netlink.valid()) return errno;
  struct {
    nlmsghdr header;
    ifinfomsg link;
    rtattr info;
    rtattr kind;
    char name[4];
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_NEWLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
  request.link.ifi_family = AF_UNSPEC;
  request.info = {static_cast<unsigned short>(2 * sizeof(rtattr) + sizeof request.name), IFLA_LINKINFO};
  request.kind = {static_cast<unsigned short>(sizeof(rtattr) + sizeof request.name), IFLA_INFO_KIND};
  std::memcpy(request.name, "veth", sizeof request.name);
  if (::send(netlink.get(), &request, sizeof request, 0) < 0) return errno;
  struct {
    nlmsghdr header;
    nlmsgerr error;
    char rest[1024];
  } reply{};
  if (::recv(netlink.get(), &reply, sizeof reply, 0) <
      static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(nlmsgerr)))
    return EIO;
  return reply.header.nlmsg_type == NLMSG_ERROR ? -reply.error.error : EIO;
}

int network_by_veth() {
  if (const int error = enter_namespaces(CLONE_NEWNET); error != 0) return error;
  if (const int error = make_veth(); error != 0) return error;
  const Fd packets(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
  return packets.valid() ? 0 : errno;
}

int network_by_tun() {
  if (const int error = enter_namespaces(CLONE_NEWNET); error != 0) return error;
  const Fd tun(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  if (!tun.valid()) return errno;
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  return ::ioctl(tun.get(), TUNSETIFF, &request) == 0 ? 0 : errno;
}

Finding user_network() {
  Finding finding{"--network user", Area::network, Level::yes, {}, {}};
  if (!has_user_namespaces()) return {finding.name, finding.area, Level::no, "needs the wall user", {}};
  const int tun = try_in_child(network_by_tun);
  const int veth = try_in_child(network_by_veth);
  if (tun == 0 || veth == 0) {
    finding.detail = fmt::format("over {}", tun == 0 && veth == 0 ? "a TAP device or a veth pair"
                                            : tun == 0            ? "a TAP device"
                                                                  : "a veth pair");
    return finding;
  }
  finding.level = Level::no;
  finding.detail = fmt::format("TAP: {}; veth: {}", errno_text(tun), errno_text(veth));
  finding.remedy = "modprobe veth, or modprobe tun and chmod 666 /dev/net/tun";
  return finding;
}

// Runs a guest of one instruction. A host inside a virtual machine may have /dev/kvm, make machines, and run
// none.
int run_guest() {
  const Fd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm.valid()) return errno;
  if (::ioctl(kvm.get(), KVM_GET_API_VERSION, 0) != KVM_API_VERSION) return ENOTSUP;
  const Fd machine(::ioctl(kvm.get(), KVM_CREATE_VM, 0));
  if (!machine.valid()) return errno;
  constexpr size_t kPage = 4096;
  void* memory = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno;
  constexpr uint8_t kHlt = 0xf4;
  std::memset(memory, kHlt, kPage);
  kvm_userspace_memory_region region{};
  region.memory_size = kPage;
  region.userspace_addr = reinterpret_cast<uintptr_t>(memory);
  if (::ioctl(machine.get(), KVM_SET_USER_MEMORY_REGION, &region) != 0) return errno;
  const Fd cpu(::ioctl(machine.get(), KVM_CREATE_VCPU, 0));
  if (!cpu.valid()) return errno;
  const int size = ::ioctl(kvm.get(), KVM_GET_VCPU_MMAP_SIZE, 0);
  if (size < static_cast<int>(sizeof(kvm_run))) return EIO;
  void* shared = ::mmap(nullptr, static_cast<size_t>(size), PROT_READ | PROT_WRITE, MAP_SHARED, cpu.get(), 0);
  if (shared == MAP_FAILED) return errno;
  kvm_sregs special{};
  if (::ioctl(cpu.get(), KVM_GET_SREGS, &special) != 0) return errno;
  special.cs.base = 0;
  special.cs.selector = 0;
  if (::ioctl(cpu.get(), KVM_SET_SREGS, &special) != 0) return errno;
  kvm_regs registers{};
  registers.rflags = 2;  // the bit that is always set
  if (::ioctl(cpu.get(), KVM_SET_REGS, &registers) != 0) return errno;
  if (::ioctl(cpu.get(), KVM_RUN, 0) != 0) return errno;
  return static_cast<const kvm_run*>(shared)->exit_reason == KVM_EXIT_HLT ? 0 : EIO;
}

Finding kvm() {
  Finding finding{"kvm", Area::machine, Level::no, {}, {}};
  const int error = try_in_child(run_guest);
  if (error == 0) {
    finding.level = Level::yes;
    finding.detail = "usable: a guest of one instruction ran";
  } else if (error == ENOENT) {
    finding.detail = "/dev/kvm is not there";
    finding.remedy =
        "switch virtualisation on in the firmware or the hypervisor, and modprobe kvm_intel or kvm_amd";
  } else if (error == EACCES) {
    finding.detail = "/dev/kvm is not open to this user";
    finding.remedy = "add the user to the group kvm";
  } else {
    finding.detail =
        fmt::format("present, but a guest does not run: {}", error == EINTR ? "no end" : errno_text(error));
    finding.remedy = "a host with nested virtualisation, or the bare machine";
  }
  return finding;
}

}  // namespace

void examine_devices(std::vector<Finding>& findings) {
  findings.push_back(rootfs());
  findings.push_back(user_network());
  findings.push_back(kvm());
}

}  // namespace sandstone::cli
