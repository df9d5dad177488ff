// Gaining privileges: from files that carry them, and from what was left in the process.
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "probe/program/attempt.h"

namespace sandstone::probe_program {
namespace {

constexpr char kArea[] = "privileges";
constexpr uid_t kNobody = 65534;

// Becomes an ordinary user, as far as the sandbox lets it. Where no other user exists, it stays what it is.
bool become_nobody() {
  if (::geteuid() != 0) return true;
  ::setgroups(0, nullptr);
  if (::setresgid(kNobody, kNobody, kNobody) != 0 || ::setresuid(kNobody, kNobody, kNobody) != 0) errno = 0;
  return true;
}

bool reads_root_only(const Parameters& p) {
  const Descriptor file(::open((p.text("shared") + "/root-only").c_str(), O_RDONLY | O_CLOEXEC));
  return file.valid() && p.holds_secret("secret", read_up_to(file.get()));
}

// Runs a copy of this program that carries privileges; it prints what of root's it can read.
Verdict run_privileged(const Parameters& p, const char* copy) {
  if (!p.has("root-only")) return not_applicable("only a root caller can plant a file with privileges");
  bool already = false;
  const Verdict before = in_child([&]() -> Verdict {
    become_nobody();
    return reads_root_only(p) ? allowed() : refused("open");
  });
  already = before.kind == Verdict::Kind::allowed;
  if (already) return not_applicable("the workload is the host's root already");
  const std::string path = p.text("shared") + "/" + copy;
  const Executed run = execute({path, "read", p.text("shared") + "/root-only"}, become_nobody);
  if (!run.started) return refused("exec " + path, run.error);
  if (!p.holds_secret("secret", run.output)) return without_effect("ran, but as what it was before");
  return allowed("read a file of the host's root");
}

Verdict setuid_binary(const Parameters& p) {
  return run_privileged(p, "setuid");
}

Verdict file_capabilities(const Parameters& p) {
  if (!p.has("file-capabilities"))
    return not_applicable("only a root caller can plant a file with capabilities");
  return run_privileged(p, "capable");
}

uint64_t effective_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &header, data) != 0) return 0;
  return data[0].effective | static_cast<uint64_t>(data[1].effective) << 32;
}

Verdict have_capabilities(const Parameters&) {
  const uint64_t set = effective_capabilities();
  if (set == 0) return without_effect("the effective set is empty");
  return gained("effective set " + std::to_string(__builtin_popcountll(set)) + " strong");
}

// exec as uid 0 fills the sets again, unless the bounding set is empty or securebits forbid it.
Verdict regain_capabilities(const Parameters& p) {
  if (::geteuid() != 0) return not_applicable("the workload is not uid 0");
  const Executed run = execute({p.text("program"), "capabilities"}, [] {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2]{};
    return ::syscall(SYS_capset, &header, none) == 0;
  });
  if (!run.started) return refused("exec", run.error);
  if (run.output.empty() || run.output == "0") return without_effect("still none after exec");
  return gained("had every capability back after exec");
}

Verdict ambient_capability(const Parameters&) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &header, data) != 0) return refused("capget");
  data[0].inheritable |= 1U << CAP_KILL;
  if (::syscall(SYS_capset, &header, data) != 0) return refused("capset");
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) != 0)
    return refused("PR_CAP_AMBIENT_RAISE");
  return gained("hands a capability down to any program it starts");
}

Verdict secure_bits(const Parameters&) {
  const int now = ::prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
  if (now < 0) return refused("PR_GET_SECUREBITS");
  if (::prctl(PR_SET_SECUREBITS, static_cast<unsigned>(now) ^ SECBIT_KEEP_CAPS, 0, 0, 0) != 0)
    return refused("PR_SET_SECUREBITS");
  return gained("changes how the kernel treats its root");
}

Verdict keep_capabilities(const Parameters&) {
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return refused("PR_SET_KEEPCAPS");
  return gained("keeps capabilities across a change of user");
}

Verdict dumpable(const Parameters&) {
  if (::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) return refused("PR_SET_DUMPABLE");
  return gained("may be traced and dumped by its own kind");
}

Verdict become_other_user(const Parameters&) {
  if (::setresuid(1, 1, 1) != 0) return refused("setresuid(1)");
  return gained("became another user");
}

Verdict drop_groups(const Parameters&) {
  if (::setgroups(0, nullptr) != 0) return refused("setgroups");
  return gained("dropped its groups, and with them what a file denies to a group");
}

Verdict give_file_away(const Parameters&) {
  const Scratch scratch;
  if (!scratch.valid()) return not_applicable("no folder to write in");
  const Descriptor file(::open(scratch.path("file").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.valid()) return refused("create");
  if (::fchown(file.get(), 1, 1) != 0) return refused("fchown");
  return gained("made a file that belongs to another user");
}

Verdict file_capability_set(const Parameters&) {
  const Scratch scratch;
  if (!scratch.valid()) return not_applicable("no folder to write in");
  const Descriptor file(::open(scratch.path("file").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700));
  if (!file.valid()) return refused("create");
  vfs_cap_data data{};
  data.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE;
  data.data[0].permitted = 1U << CAP_KILL;
  if (::syscall(SYS_fsetxattr, file.get(), "security.capability", &data, sizeof data, 0) != 0)
    return refused("fsetxattr");
  return gained("made a file that gives capabilities to whoever runs it");
}

// A crash makes the kernel run the host's core handler, as the host's root, on data of the workload's choice.
Verdict core_dump(const Parameters&) {
  const Scratch scratch;
  const pid_t child = ::fork();
  if (child < 0) return refused("fork");
  if (child == 0) {
    rlimit limit{};
    ::getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_CORE, &limit);
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (scratch.valid() && ::chdir(scratch.path().c_str()) != 0) ::_exit(1);
    ::signal(SIGQUIT, SIG_DFL);
    ::raise(SIGQUIT);
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFSIGNALED(status)) return without_effect("the process survived");
  if (!WCOREDUMP(status)) return without_effect("no core was dumped");
  return gained("had the kernel dump its core");
}

constexpr Operation kOperations[] = {
    {"setuid-binary", kArea, "runs a setuid program of the host's root and reads a file of root's",
     setuid_binary},
    {"file-capabilities", kArea, "runs a program with file capabilities and reads a file of root's",
     file_capabilities},
    {"have-capabilities", kArea, "has capabilities to begin with", have_capabilities},
    {"regain-capabilities", kArea, "has capabilities again after exec as uid 0", regain_capabilities},
    {"ambient-capability", kArea, "hands capabilities down to programs it starts", ambient_capability},
    {"set-file-capability", kArea, "makes a file that gives capabilities", file_capability_set},
    {"securebits", kArea, "changes its securebits", secure_bits},
    {"keepcaps", kArea, "keeps capabilities across a change of user (PR_SET_KEEPCAPS)", keep_capabilities},
    {"dumpable", kArea, "makes itself dumpable (PR_SET_DUMPABLE)", dumpable},
    {"become-other-user", kArea, "becomes another user", become_other_user},
    {"drop-groups", kArea, "drops the groups that were to hold it back (setgroups)", drop_groups},
    {"give-file-away", kArea, "makes a file that belongs to another user", give_file_away},
    {"core-dump", kArea, "makes the kernel run the host's core dump handler", core_dump},
};

}  // namespace

std::span<const Operation> privilege_operations() {
  return kOperations;
}

}  // namespace sandstone::probe_program
