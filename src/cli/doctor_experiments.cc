#include "cli/doctor_experiments.h"

#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"

namespace sandstone::cli {

int try_in_child(Experiment experiment) {
  constexpr unsigned kSeconds = 5;
  const pid_t child = ::fork();
  if (child < 0) return errno;
  if (child == 0) {
    ::signal(SIGALRM, SIG_DFL);
    ::alarm(kSeconds);
    ::_exit(experiment());
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return errno;
  return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

int enter_namespaces(int flags) {
  const std::string uid_map = fmt::format("0 {} 1", ::geteuid());
  const std::string gid_map = fmt::format("0 {} 1", ::getegid());
  if (::unshare(CLONE_NEWUSER) != 0) return errno;
  // user_namespaces(7): without privilege outside, a group map needs setgroups(2) given up first.
  for (const auto& [path, text] : {std::pair<const char*, std::string>{"/proc/self/setgroups", "deny"},
                                   {"/proc/self/uid_map", uid_map},
                                   {"/proc/self/gid_map", gid_map}})
    if (!write_file(path, text)) return EPERM;
  return flags == 0 || ::unshare(flags) == 0 ? 0 : errno;
}

std::string errno_text(int error) {
  return std::strerror(error);
}

}  // namespace sandstone::cli
