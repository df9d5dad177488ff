#include "jail/launch.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/sys.h"
#include "init/protocol.h"
#include "jail/clone.h"
#include "jail/ids.h"
#include "jail/init_image.h"
#include "walls/cgroup_folder.h"
#include "walls/join_network.h"

namespace sandstone::jail {
namespace {

using init::Kind;
using init::Message;
using walls::Child;

constexpr int kHighFd =
    64;  // out of the way of 0 to 3, which the workload's streams and the control socket take

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (auto& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

// All that the child needs, prepared so that it allocates nothing.
struct ChildPlan {
  walls::Setup& setup;
  WallList& walls;
  int streams[3];
  int control;
  int supervisors_end;  // of the same socket
  int init_image;
  std::vector<Fd> program;  // its executable and descriptors
  std::vector<std::string> words;
  std::vector<char*> argv = pointers(words);
  std::vector<char*> environment = pointers(setup.environment);
  ChildStack stack;
};

namespace {

[[noreturn]] void report(int control, int32_t place, const Child& child) noexcept {
  Message message{Kind::wall_failed, child.failure.error, static_cast<uint32_t>(place), {}};
  size_t at = 0;
  for (size_t i = 0; child.failure.step[i] != '\0'; ++i) message.text[at++] = child.failure.step[i];
  if (child.failure.subject[0] != '\0') {
    message.text[at++] = ' ';
    for (size_t i = 0; child.failure.subject[i] != '\0' && at + 1 < sizeof message.text; ++i)
      message.text[at++] = child.failure.subject[i];
  }
  sys::write(control, &message, sizeof message);
  for (;;) sys::call(SYS_exit_group, 125);
}

// Tells the supervisor that all walls stand, and hands it what they made.
bool send_ready(const Child& child) noexcept {
  Message message{Kind::descriptors, 0, 0, {}};
  int fds[init::kMostDescriptors];
  size_t count = 0;
  const auto add = [&](int fd, uint32_t bit) {
    if (fd < 0) return;
    fds[count++] = fd;
    message.number |= bit;
  };
  add(child.listener_fd, init::kHasListener);
  add(child.frames_fd, init::kHasFrames);
  add(child.terminal_fd, init::kHasTerminal);
  add(child.disk_fd, init::kHasDisk);
  add(child.processes_fd, init::kHasProcesses);
  iovec data{&message, sizeof message};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof fds)]{};
  msghdr packet{};
  packet.msg_iov = &data;
  packet.msg_iovlen = 1;
  if (count > 0) {
    packet.msg_control = space;
    packet.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    cmsghdr* header = CMSG_FIRSTHDR(&packet);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * count);
    std::memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
  }
  return sys::call(SYS_sendmsg, child.control_fd, sys::word(&packet), 0x4000 /* MSG_NOSIGNAL */) ==
         sizeof message;
}

// An ignored signal survives exec: a caller that ignores SIGCHLD or SIGPIPE would hand that down.
void reset_signals() noexcept {
  struct {
    void* handler;
    unsigned long flags;
    void* restorer;
    uint64_t mask;
  } standard{};
  for (int signal = 1; signal <= 64; ++signal)
    sys::call(SYS_rt_sigaction, signal, sys::word(&standard), 0, sizeof(uint64_t));
  const uint64_t none = 0;
  sys::call(SYS_rt_sigprocmask, SIG_SETMASK, sys::word(&none), 0, sizeof none);
}

// The story of a sandbox from inside: between clone and exec, async-signal-safe throughout.
[[noreturn]] void child_main(const ChildPlan& plan) noexcept {
  Child child(plan.setup);
  child.control_fd = plan.control;
  child.map_ready_fd = plan.control;
  // A supervisor that is killed from here on must take us along, even while we wait for it: by the signal, until the
  // user wall's change of ids clears it, and by the end of file on the socket, which a copy of its end would hold back.
  sys::call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  sys::close(plan.supervisors_end);
  reset_signals();
  sys::call(SYS_umask, 022);
  int32_t place = 0;
  for (const auto& wall : plan.walls) {
    if (wall->restricts_child() && !walls::join_network(child)) report(plan.control, -1, child);
    if (!wall->raise(child)) report(plan.control, place, child);
    ++place;
  }
  if (!walls::join_network(child)) report(plan.control, -1, child);
  if (!send_ready(child)) {
    child.fail(-EPIPE, "report to the supervisor");
    report(plan.control, -1, child);
  }
  for (int fd = 0; fd < 3; ++fd)
    sys::call(SYS_dup3, child.terminal_slave_fd >= 0 ? child.terminal_slave_fd : plan.streams[fd], fd, 0);
  sys::call(SYS_dup3, plan.control, init::kControlFd, 0);
  int place_of_program = init::kProgramFd;
  for (const Fd& fd : plan.program) sys::call(SYS_dup3, fd.get(), place_of_program++, 0);
  const long r = sys::call(SYS_execveat, plan.init_image, sys::word(""), sys::word(plan.argv.data()),
                           sys::word(plan.environment.data()), AT_EMPTY_PATH);
  child.fail(static_cast<int>(r), "run process 1");
  report(init::kControlFd, -1, child);
}

Result<Fd> out_of_the_way(Fd fd) {
  Fd high(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kHighFd));
  if (!high.valid()) return system_error("descriptors", "too many open files", errno, "raise ulimit -n");
  return high;
}

Result<void> write_maps(pid_t pid, const walls::Setup& setup) {
  const auto path = [pid](const char* file) { return fmt::format("/proc/{}/{}", pid, file); };
  const char* remedy = "sandstone doctor tells what this host allows";
  // An ordinary user may map a group only after giving up setgroups(2): else it could drop a group that denies.
  if (!setup.caller_is_root) {
    if (auto r = write_file(path("setgroups"), "deny"); !r)
      return Error{"wall user", r.error().line(), remedy};
  }
  if (auto r =
          write_file(path("uid_map"), workload_map(setup.inside.uid, setup.outside.uid, setup.has_id_range));
      !r)
    return Error{"wall user", r.error().line(), remedy};
  if (auto r =
          write_file(path("gid_map"), workload_map(setup.inside.gid, setup.outside.gid, setup.has_id_range));
      !r)
    return Error{"wall user", r.error().line(), remedy};
  return {};
}

// Where the clone could not do it. The child waits for its ids before it makes anything that the group is to hold.
Result<void> move_into_group(pid_t pid, int cgroup_fd, bool child_waits) {
  constexpr const char* kWhere = "wall control-group";
  if (!child_waits)
    return Error{kWhere, "clone3(2) is filtered here, and without it the wall user is needed",
                 "leave the wall user in"};
  const int error = walls::write_group_file(cgroup_fd, "cgroup.procs", std::to_string(pid));
  if (error != 0) return system_error(kWhere, "cannot move the sandbox into its group", error);
  return {};
}

Error clone_error(int err, const WallList& walls) {
  for (const auto& wall : walls) {
    if (!wall->fails_the_clone()) continue;
    if (const walls::Support support = wall->support(); !support.available)
      return walls::unavailable(*wall, support);
  }
  switch (err) {
    case EPERM:
      return {"wall user", "this host does not let you make namespaces",
              "sandstone doctor tells why and what to do"};
    case ENOSPC:
      return {"wall user", "the limit on namespaces is reached", "raise the sysctls user.max_*_namespaces"};
    case EAGAIN:
      return {"clone", "the limit on processes is reached", "raise ulimit -u"};
    case ENOSYS:
      return {"clone", "clone3(2) is filtered here, and before Linux 6.2 a time namespace needs it",
              "let the filter around sandstone allow clone3"};
    case EINVAL:
      return {"clone", "this kernel lacks one of the namespaces", "sandstone doctor tells which"};
    default:
      return system_error("clone", "cannot start the sandbox", err);
  }
}

// The first message of the child: all walls stand, or one does not.
Result<void> await_walls(Launched& launched, const WallList& walls) {
  Message message{};
  int fds[init::kMostDescriptors];
  iovec data{&message, sizeof message};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof fds)]{};
  msghdr packet{};
  packet.msg_iov = &data;
  packet.msg_iovlen = 1;
  packet.msg_control = space;
  packet.msg_controllen = sizeof space;
  ssize_t size = 0;
  do size = ::recvmsg(launched.control.get(), &packet, MSG_CMSG_CLOEXEC);
  while (size < 0 && errno == EINTR);
  std::vector<Fd> received;
  for (cmsghdr* header = CMSG_FIRSTHDR(&packet); header != nullptr; header = CMSG_NXTHDR(&packet, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::memcpy(fds, CMSG_DATA(header), count * sizeof(int));
    for (size_t i = 0; i < count; ++i) received.emplace_back(fds[i]);
  }
  if (size != sizeof message)
    return Error{"sandbox", "ended while its walls were raised", "the kernel's log may tell why"};
  if (message.kind == Kind::wall_failed) {
    const auto place = static_cast<size_t>(message.number);
    const std::string where = place < walls.size() ? fmt::format("wall {}", walls[place]->name()) : "sandbox";
    message.text[sizeof message.text - 1] = '\0';
    std::string remedy = place < walls.size() ? walls[place]->support().remedy : std::string();
    return system_error(where, std::string("cannot ") + message.text, message.value, std::move(remedy));
  }
  size_t at = 0;
  const auto take = [&](uint32_t bit, Fd& to) {
    if ((message.number & bit) != 0 && at < received.size()) to = std::move(received[at++]);
  };
  take(init::kHasListener, launched.listener);
  take(init::kHasFrames, launched.frames);
  take(init::kHasTerminal, launched.terminal);
  take(init::kHasDisk, launched.disk);
  take(init::kHasProcesses, launched.processes);
  return {};
}

void end_child(Launched& launched) {
  ::kill(launched.pid, SIGKILL);
  while (::waitpid(launched.pid, nullptr, __WALL) < 0 && errno == EINTR) {
  }
}

}  // namespace

bool tell(const Fd& control, uint32_t kind, int32_t value) {
  Message message{static_cast<Kind>(kind), value, 0, {}};
  return ::send(control.get(), &message, sizeof message, MSG_NOSIGNAL) == sizeof message;
}

Result<Launched> launch(walls::Setup& setup, WallList& walls, engine::Ports ports, int cgroup_fd,
                        Program* program) {
  auto pair = make_socket_pair(SOCK_SEQPACKET);
  if (!pair) return pair.error();
  auto child_end = out_of_the_way(std::move(pair->second));
  if (!child_end) return child_end.error();
  auto image = sealed_init();
  if (!image) return image.error();
  auto high_image = out_of_the_way(std::move(*image));
  if (!high_image) return high_image.error();

  std::string flags;
  flags += setup.has("pid") ? init::kFlagNone : init::kFlagReaper;
  if (setup.has("session") || setup.spec.terminal) flags += init::kFlagSession;
  if (setup.spec.terminal) flags += init::kFlagTerminal;
  if (setup.keeps_slot) flags += init::kFlagSlot;
  std::vector<Fd> parts;
  if (program != nullptr) {
    flags += init::kFlagProgram;
    parts.push_back(std::move(program->executable));
    for (Fd& fd : program->descriptors) parts.push_back(std::move(fd));
    for (Fd& fd : parts) {
      auto high = out_of_the_way(std::move(fd));
      if (!high) return high.error();
      fd = std::move(*high);
    }
  }
  std::vector<std::string> words = {"sandstone-init", flags};
  if (program != nullptr) words.insert(words.end(), program->arguments.begin(), program->arguments.end());
  words.insert(words.end(), setup.spec.argv.begin(), setup.spec.argv.end());
  std::shared_ptr<ChildPlan> plan(new ChildPlan{setup,
                                                walls,
                                                {ports.in.get(), ports.out.get(), ports.err.get()},
                                                child_end->get(),
                                                pair->first.get(),
                                                high_image->get(),
                                                std::move(parts),
                                                std::move(words)});

  CloneArgs args{};
  int pidfd = -1;
  args.flags = CLONE_PIDFD | kClearSignalHandlers;
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  if (cgroup_fd >= 0) {
    args.flags |= kIntoCgroup;
    args.cgroup = static_cast<uint64_t>(cgroup_fd);
  }
  if (may_share_memory(cgroup_fd >= 0)) {
    if (auto made = plan->stack.make(); !made) return made.error();
    args.flags |= CLONE_VM;
    args.stack = plan->stack.bottom();
    args.stack_size = ChildStack::kSize;
  }
  bool maps_ids = false;
  for (const auto& wall : walls) {
    args.flags |= wall->clone_flags();
    maps_ids = maps_ids || (wall->clone_flags() & CLONE_NEWUSER) != 0;
  }

  // A signal that arrived in the child before its handlers are reset would run ours there.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const long pid =
      clone_child(args, [](void* prepared) { child_main(*static_cast<ChildPlan*>(prepared)); }, plan.get());
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return clone_error(static_cast<int>(-pid), walls);

  Launched launched;
  launched.pid = static_cast<pid_t>(pid);
  launched.pidfd = Fd(pidfd);
  launched.control = std::move(pair->first);
  launched.plan = std::move(plan);
  child_end->reset();
  ports = {};
  Result<void> done;
  if (cgroup_fd >= 0 && (args.flags & kIntoCgroup) == 0)
    done = move_into_group(launched.pid, cgroup_fd, maps_ids);
  if (maps_ids) {
    if (done) done = write_maps(launched.pid, setup);
    const char go = 1;
    if (done) (void)::send(launched.control.get(), &go, 1, MSG_NOSIGNAL);  // a child that is gone shows below
  }
  if (done) done = await_walls(launched, walls);
  if (!done) {
    end_child(launched);
    return done.error();
  }
  return launched;
}

}  // namespace sandstone::jail
