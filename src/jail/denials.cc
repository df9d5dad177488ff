#include "jail/denials.h"

#include <fmt/format.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "walls/seccomp_policy.h"

namespace sandstone::jail {
namespace {

// Text from the workload's memory, for the report alone: nothing is decided by it, so a second thread that changes it
// (the race of a path-checking supervisor) fools only the log of its own sandbox.
std::string text_at(pid_t pid, uint64_t address) {
  char text[256];
  iovec local{text, sizeof text};
  iovec remote{reinterpret_cast<void*>(address), sizeof text};
  ssize_t got = ::process_vm_readv(pid, &local, 1, &remote, 1, 0);
  if (got <= 0) {
    // The string may end right before an unmapped page.
    remote.iov_len = 4096 - address % 4096;
    if (remote.iov_len >= sizeof text) return {};
    got = ::process_vm_readv(pid, &local, 1, &remote, 1, 0);
    if (got <= 0) return {};
  }
  return {text, ::strnlen(text, static_cast<size_t>(got))};
}

// What a person wants to know beside the name of the call.
std::string subject_of(const seccomp_notif& notification) {
  const auto* args = notification.data.args;
  const pid_t pid = static_cast<pid_t>(notification.pid);
  switch (notification.data.nr) {
    case SYS_mount:
      return fmt::format("{} on {}", text_at(pid, args[0]), text_at(pid, args[1]));
    case SYS_umount2:
    case SYS_chroot:
    case SYS_pivot_root:
    case SYS_swapon:
    case SYS_swapoff:
    case SYS_acct:
    case SYS_uselib:
    case SYS_fsopen:
    case SYS_sethostname:
      return text_at(pid, args[0]);
    case SYS_open_tree:
      return text_at(pid, args[1]);
    case SYS_unshare:
    case SYS_clone:
      return fmt::format("flags {:#x}", args[0]);
    case SYS_setns:
      return fmt::format("type {:#x}", args[1]);
    case SYS_ioctl:
      return fmt::format("request {:#x}", args[1] & 0xffffffff);
    case SYS_socket:
      return fmt::format("family {} type {} protocol {}", static_cast<int>(args[0]),
                         static_cast<int>(args[1]), static_cast<int>(args[2]));
    case SYS_socketpair:
      return fmt::format("family {}", static_cast<int>(args[0]));
    case SYS_prctl:
      return fmt::format("option {}", static_cast<int>(args[0]));
    case SYS_ptrace:
      return fmt::format("request {} pid {}", static_cast<int>(args[0]), static_cast<int>(args[1]));
    case SYS_personality:
      return fmt::format("{:#x}", args[0]);
    default:
      return {};
  }
}

}  // namespace

void Denials::on_ready(short revents, engine::Recorder& recorder) {
  if ((revents & POLLIN) == 0) return listener_.reset();
  seccomp_notif notification{};
  if (::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &notification) != 0)
    return;  // ENOENT: it died meanwhile
  const auto number = static_cast<uint32_t>(notification.data.nr);
  Denial denial;
  denial.pid = static_cast<pid_t>(notification.pid);
  denial.wall = "seccomp";
  denial.operation = walls::syscall_name(number);
  denial.subject = subject_of(notification);
  // Had it died meanwhile, its number could belong to a process of the host, and the text to that one's memory.
  if (::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &notification.id) != 0) denial.subject.clear();
  seccomp_notif_resp answer{};
  answer.id = notification.id;
  answer.error = -walls::refusal_error(number);
  ::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer);
  recorder.denial(std::move(denial));
}

}  // namespace sandstone::jail
