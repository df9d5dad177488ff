// net_driver [--allow RULE]... [-p HOST:SANDBOX[/udp]]... -- CMD...
//
// The user network alone, without the jail's other walls: a user, mount and network namespace with the link,
// the network process beside it, and the command as the namespace's root, with every capability in it: the
// strongest workload that the network can have. Denials go to stderr, one a line.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/text.h"
#include "net/user_network.h"

namespace {

using namespace sandstone;

int fail(const Error& error) {
  std::fprintf(stderr, "net_driver: %s\n", error.line().c_str());
  return 125;
}

void tell(const Denial& denial) {
  std::fprintf(stderr, "denied %s %s x%llu\n", denial.operation.c_str(),
               escape_for_terminal(denial.subject).c_str(), static_cast<unsigned long long>(denial.count));
}

void write_all(const char* path, const std::string& text) {
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0 || ::write(fd, text.data(), text.size()) < 0) {
    std::perror(path);
    ::_exit(125);
  }
  ::close(fd);
}

void send_fd(int socket, int fd) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char ancillary[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = ancillary;
  message.msg_controllen = sizeof ancillary;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (::sendmsg(socket, &message, 0) < 0) ::_exit(125);
}

int receive_fd(int socket) {
  char byte;
  iovec part{&byte, 1};
  alignas(cmsghdr) char ancillary[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = ancillary;
  message.msg_controllen = sizeof ancillary;
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0 || CMSG_FIRSTHDR(&message) == nullptr) return -1;
  int fd;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

[[noreturn]] void workload(const net::LinkPlan& plan, int socket, uid_t uid, gid_t gid, char** argv) {
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) != 0) {
    std::perror("unshare");
    ::_exit(125);
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // after unshare(2), which clears it with the change of credentials
  write_all("/proc/self/setgroups", "deny");
  write_all("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1");
  write_all("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
  net::LinkResult link;
  if (const int status = net::make_link(plan, &link); status != 0) {
    std::fprintf(stderr, "net_driver: %s: %s\n", link.step, std::strerror(-status));
    ::_exit(125);
  }
  ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  if (::mount("tmpfs", "/tmp", "tmpfs", 0, nullptr) != 0) std::perror("mount");
  write_all("/tmp/resolv.conf", net::resolv_conf());
  write_all("/tmp/hosts", net::hosts("sandbox"));
  ::mount("/tmp/resolv.conf", "/etc/resolv.conf", nullptr, MS_BIND, nullptr);
  ::mount("/tmp/hosts", "/etc/hosts", nullptr, MS_BIND, nullptr);
  send_fd(socket, link.frames);
  char go;
  if (::read(socket, &go, 1) != 1) ::_exit(125);
  ::close(socket);
  ::close(link.frames);
  ::execvp(argv[0], argv);
  std::perror(argv[0]);
  ::_exit(127);
}

bool drain(net::UserNetwork& network) {
  for (;;) {
    auto denial = network.next();
    if (!denial) {
      fail(denial.error());
      return false;
    }
    if (!*denial) return true;
    tell(**denial);
  }
}

}  // namespace

int main(int argc, char** argv) {
  RunSpec spec;
  spec.network = Network::user;
  int at = 1;
  for (; at + 1 < argc && std::strcmp(argv[at], "--") != 0; at += 2) {
    const std::string value = argv[at + 1];
    if (std::strcmp(argv[at], "--allow") == 0) {
      spec.allow.push_back(value);
      continue;
    }
    PortForward forward;
    unsigned host = 0;
    unsigned inside = 0;
    if (std::sscanf(value.c_str(), "%u:%u", &host, &inside) != 2) return 125;
    forward.host_port = static_cast<uint16_t>(host);
    forward.sandbox_port = static_cast<uint16_t>(inside);
    forward.udp = value.ends_with("/udp");
    spec.forwards.push_back(forward);
  }
  if (at + 1 >= argc) return 125;

  auto network = net::UserNetwork::start(spec);
  if (!network) return fail(network.error());
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return 125;
  const net::LinkPlan plan = net::link_plan(spec);
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  const pid_t child = ::fork();
  if (child == 0) workload(plan, ends[1], uid, gid, argv + at + 1);
  ::close(ends[1]);
  const int frames = receive_fd(ends[0]);
  if (frames < 0) return 125;
  if (auto attached = network->attach(Fd(frames)); !attached) return fail(attached.error());
  if (::write(ends[0], "g", 1) != 1) return 125;

  int status = 0;
  bool alive = true;
  const int child_fd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  pollfd wait[2] = {{network->event_fd(), POLLIN, 0}, {child_fd, POLLIN, 0}};
  for (;;) {
    wait[0].fd = alive ? network->event_fd() : -1;
    ::poll(wait, 2, -1);
    if (alive && wait[0].revents != 0) alive = drain(*network);
    if (wait[1].revents != 0) break;
  }
  ::waitpid(child, &status, 0);
  if (alive)
    for (const Denial& denial : network->finish()) tell(denial);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
