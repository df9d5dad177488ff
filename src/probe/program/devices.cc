// The host's devices, by their nodes and by nodes of the workload's own making.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstring>

#include "probe/program/attempt.h"

namespace sandstone::probe_program {
namespace {

constexpr char kArea[] = "devices";

Verdict read_device(const std::string& path) {
  const Descriptor device(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!device.valid()) return refused("open " + path);
  char block[512];
  if (::read(device.get(), block, sizeof block) < 0 && errno != EAGAIN) return refused("read " + path);
  return gained("read from " + path);
}

Verdict dev_mem(const Parameters&) {
  return read_device("/dev/mem");
}
Verdict dev_kmsg(const Parameters&) {
  return read_device("/dev/kmsg");
}
Verdict dev_msr(const Parameters&) {
  return open_only("/dev/cpu/0/msr", O_RDONLY);
}
Verdict dev_fuse(const Parameters&) {
  return open_only("/dev/fuse", O_RDWR);
}
Verdict dev_loop(const Parameters&) {
  return open_only("/dev/loop-control", O_RDWR);
}
Verdict dev_vsock(const Parameters&) {
  return open_only("/dev/vsock", O_RDWR);
}
Verdict dev_userfaultfd(const Parameters&) {
  return open_only("/dev/userfaultfd", O_RDWR);
}
Verdict dev_console(const Parameters&) {
  return open_only("/dev/console", O_WRONLY);
}
Verdict dev_tty(const Parameters&) {
  return open_only("/dev/tty0", O_RDWR);
}

Verdict dev_disk(const Parameters& p) {
  if (!p.has("disk")) return not_applicable("the host's root is on no disk with a node in /dev");
  return read_device(p.text("disk"));
}

Verdict dev_kvm(const Parameters&) {
  const Descriptor kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm.valid()) return refused("open /dev/kvm");
  if (::ioctl(kvm.get(), KVM_GET_API_VERSION, 0) < 0) return refused("KVM_GET_API_VERSION");
  return gained("the hypervisor answers");
}

Verdict dev_tun(const Parameters&) {
  const Descriptor tun(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  if (!tun.valid()) return refused("open /dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::strcpy(request.ifr_name, "sandprobe%d");
  if (::ioctl(tun.get(), TUNSETIFF, &request) < 0) return refused("TUNSETIFF");
  return gained("made a network interface, which ends with the descriptor");
}

// Making the node is half of the attack: a user namespace may make one on some file systems, and cannot open
// it.
Verdict make_and_read(mode_t type, dev_t device) {
  const Scratch scratch;
  if (!scratch.valid()) return not_applicable("no folder to write in");
  if (::mknod(scratch.path("node").c_str(), type | 0600, device) != 0) return refused("mknod");
  return read_device(scratch.path("node"));
}

Verdict mknod_char(const Parameters&) {
  return make_and_read(S_IFCHR, makedev(1, 11));
}  // the kernel's log

Verdict mknod_disk(const Parameters& p) {
  if (!p.has("disk-number")) return not_applicable("the host's root is on no disk");
  return make_and_read(S_IFBLK, static_cast<dev_t>(p.number("disk-number")));
}

Verdict host_terminal(const Parameters& p) {
  if (!p.has("pty")) return not_applicable("no pty could be made on the host");
  const Descriptor terminal(::open(p.text("pty").c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!terminal.valid()) return refused("open " + p.text("pty"));
  if (!write_whole(terminal.get(), "host-terminal\n")) return refused("write " + p.text("pty"));
  return claimed("wrote to a terminal of the host");
}

constexpr Operation kOperations[] = {
    {"dev-mem", kArea, "reads physical memory, /dev/mem", dev_mem},
    {"dev-kmsg", kArea, "reads the kernel's log, /dev/kmsg", dev_kmsg},
    {"dev-disk", kArea, "reads the host's disk past its file system", dev_disk},
    {"dev-kvm", kArea, "talks to the hypervisor, /dev/kvm", dev_kvm},
    {"dev-fuse", kArea, "opens /dev/fuse: serves file systems to the kernel", dev_fuse},
    {"dev-tun", kArea, "makes a network interface with /dev/net/tun", dev_tun},
    {"dev-loop", kArea, "opens /dev/loop-control: makes block devices", dev_loop},
    {"dev-vsock", kArea, "opens /dev/vsock: the way to the hypervisor's host", dev_vsock},
    {"dev-msr", kArea, "opens the processor's model-specific registers", dev_msr},
    {"dev-userfaultfd", kArea, "opens /dev/userfaultfd: stalls the kernel at will", dev_userfaultfd},
    {"dev-console", kArea, "opens the host's console for writing", dev_console},
    {"dev-tty0", kArea, "opens the host's virtual terminal", dev_tty},
    {"host-terminal", kArea, "writes to a terminal of the host's, by its number in /dev/pts", host_terminal},
    {"mknod-char", kArea, "makes a character device of its own and reads from it", mknod_char},
    {"mknod-disk", kArea, "makes a node of the host's disk and reads from it", mknod_disk},
};

}  // namespace

std::span<const Operation> device_operations() {
  return kOperations;
}

}  // namespace sandstone::probe_program
