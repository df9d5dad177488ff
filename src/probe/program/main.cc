// The probe program: static, so that it runs in any view of files, and alone, so that nothing else decides.
//
//   all KEY=VALUE...       tries every operation, each in a process of its own
//   one NAME KEY=VALUE...  tries one
//   list                   names, areas and descriptions
//   canary BASE NONCE [sheltered]   the host's side; its secret is in SANDSTONE_CANARY_SECRET
//   true | syscalls        what the benchmark runs
//   read FILE | capabilities        what copies of this program with privileges are run for
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "probe/program/attempt.h"
#include "probe/program/canary.h"
#include "probe/program/measure.h"
#include "probe/program/operation.h"

namespace sandstone::probe_program {
namespace {

constexpr int kHangMilliseconds = 4000;

std::vector<Operation> all_operations() {
  std::vector<Operation> all;
  for (const auto& part :
       {file_operations(), writing_operations(), proc_operations(), device_operations(), network_operations(),
        netlink_operations(), process_operations(), ipc_operations(), mount_operations(),
        namespace_operations(), kernel_operations(), privilege_operations(), inherited_operations()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

std::string one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return text;
}

void report(const Operation& operation, const char* kind, int number, const std::string& detail) {
  std::printf("%s\t%s\t%d\t%s\n", operation.name, kind, number, one_line(detail).c_str());
  std::fflush(stdout);
}

const char* word_for(Verdict::Kind kind) {
  switch (kind) {
    case Verdict::Kind::allowed:
      return "allowed";
    case Verdict::Kind::gained:
      return "gained";
    case Verdict::Kind::claimed:
      return "claimed";
    case Verdict::Kind::refused:
      return "errno";
    case Verdict::Kind::without_effect:
      return "no-effect";
    case Verdict::Kind::not_applicable:
      return "not-applicable";
  }
  return "not-applicable";
}

// An attempt under way, in a process of its own: what it does to itself, be it being killed, concerns no
// other.
struct Running {
  Operation operation;
  pid_t child = -1;
  int verdict = -1;
};

Running begin(const Operation& operation, const Parameters& parameters) {
  Running running{operation, -1, -1};
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return running;
  running.child = ::fork();
  if (running.child == 0) {
    ::close(ends[0]);
    errno = 0;
    serialise(ends[1], operation.attempt(parameters));
    ::_exit(0);
  }
  ::close(ends[1]);
  running.verdict = ends[0];
  return running;
}

void finish(const Running& running) {
  if (running.child < 0) return report(running.operation, "not-applicable", 0, "no process to try it in");
  pollfd wait{running.verdict, POLLIN, 0};
  int ready = 0;
  while ((ready = ::poll(&wait, 1, kHangMilliseconds)) < 0 && errno == EINTR) {
  }
  char block[4096];
  const ssize_t got = ready > 0 ? ::read(running.verdict, block, sizeof block) : 0;
  ::close(running.verdict);
  if (ready == 0) ::kill(running.child, SIGKILL);
  int status = 0;
  while (::waitpid(running.child, &status, 0) < 0 && errno == EINTR) {
  }
  if (ready == 0) return report(running.operation, "timeout", 0, "no verdict after 4 s");
  if (got <= 0)
    return report(running.operation, "signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                  "ended by the kernel");
  const Verdict verdict = deserialise(std::string(block, static_cast<size_t>(got)));
  report(running.operation, word_for(verdict.kind), verdict.error, verdict.detail);
}

int try_all(const char* only, const Parameters& parameters) {
  std::vector<Running> waiting;
  const auto operations = all_operations();
  const auto wanted = [&](const Operation& operation) {
    return only == nullptr || std::strcmp(operation.name, only) == 0;
  };
  for (const auto& operation : operations)
    if (wanted(operation) && operation.waits) waiting.push_back(begin(operation, parameters));
  for (const auto& operation : operations)
    if (wanted(operation) && !operation.waits) finish(begin(operation, parameters));
  for (const auto& running : waiting) finish(running);
  std::puts("end");
  return 0;
}

int print_file(const char* path) {
  const Descriptor file(::open(path, O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return 1;
  return write_whole(1, read_up_to(file.get())) ? 0 : 1;
}

int print_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  ::syscall(SYS_capget, &header, data);
  std::printf("%llx", static_cast<unsigned long long>(data[0].effective) |
                          static_cast<unsigned long long>(data[1].effective) << 32);
  return 0;
}

int list() {
  for (const auto& operation : all_operations())
    std::printf("%s\t%s\t%s\n", operation.name, operation.area, operation.description);
  return 0;
}

int run(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "true") return 0;
  if (mode == "list") return list();
  if (mode == "syscalls") return measure_system_calls();
  if (mode == "read" && argc == 3) return print_file(argv[2]);
  if (mode == "capabilities") return print_capabilities();
  if (mode == "canary" && argc >= 4) {
    const char* secret = std::getenv("SANDSTONE_CANARY_SECRET");
    return canary_main(
        {argv[2], secret ? secret : "", argv[3], argc > 4 && std::strcmp(argv[4], "sheltered") == 0});
  }
  const bool one = mode == "one" && argc >= 3;
  if (mode != "all" && !one) {
    std::fputs("sandstone-probe: run by `sandstone probe`\n", stderr);
    return 125;
  }
  Parameters parameters;
  parameters.set("parent=" + std::to_string(::getppid()));
  for (int i = one ? 3 : 2; i < argc; ++i) parameters.set(argv[i]);
  return try_all(one ? argv[2] : nullptr, parameters);
}

}  // namespace
}  // namespace sandstone::probe_program

int main(int argc, char** argv) {
  return sandstone::probe_program::run(argc, argv);
}
