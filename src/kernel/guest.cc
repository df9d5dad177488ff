#include "kernel/guest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <thread>

#include "base/sys.h"
#include "base/text.h"
#include "kernel/filter.h"
#include "kernel/helper.h"
#include "kernel/identity.h"
#include "kernel/network.h"
#include "kernel/notify.h"
#include "kernel/rewriter.h"
#include "kernel/runtime_image.h"
#include "kernel/signals.h"
#include "kernel/streams.h"
#include "kernel/task.h"
#include "kernel/tree.h"
#include "libkernel/clock.h"
#include "libkernel/faults.h"
#include "libkernel/futex.h"
#include "libkernel/quiet_thread.h"

namespace sandstone::kernel {
namespace {

constexpr int kMostDescriptors = 256;  // this process has a dozen

using libkernel::futex_wait;
using libkernel::futex_wake;
using libkernel::shared_word;

[[noreturn]] void fail(Shared& shared, const Error& error) {
  std::fprintf(stderr, "sandstone: %s\n",
               escape_for_terminal(error.line()).c_str());  // it may quote an image
  shared.failed = 1;
  ::_exit(125);
}

// Where the host has put its vdso, with the data in front of it: exec keeps both.
bool find_vdso(runtime::Boot& boot) {
  boot.vdso = ::getauxval(AT_SYSINFO_EHDR);
  FILE* maps = std::fopen("/proc/self/maps", "re");
  if (maps == nullptr) return false;
  char line[512];
  boot.kept_start = ~uint64_t{0};
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    unsigned long start = 0;
    unsigned long end = 0;
    if ((std::strstr(line, "[vdso]") == nullptr && std::strstr(line, "[vvar") == nullptr) ||
        std::sscanf(line, "%lx-%lx", &start, &end) != 2)
      continue;
    boot.kept_start = std::min<uint64_t>(boot.kept_start, start);
    boot.kept_end = std::max<uint64_t>(boot.kept_end, end);
  }
  std::fclose(maps);
  return boot.kept_end != 0;
}

Result<void> boot_kernel(const Options& options, libkernel::Image& image, bool strong_fence) {
  lib_header& header = image.header();
  const auto before = libkernel::read_clock();
  lib_boot& boot = *header.boot;
  boot.memory = image.memory_size();
  std::snprintf(boot.command_line, sizeof boot.command_line, "%s window=%llu",
                options.verbose ? "ignore_loglevel" : "quiet",
                static_cast<unsigned long long>(image.window_size()));
  boot.log_fd = options.verbose ? 2 : -1;
  // By notification whoever calls is another process, into which we map nothing.
  boot.memory_fd = options.mode == runtime::Mode::notify ? 0 : image.descriptor();
  if (::getrandom(boot.seed, sizeof boot.seed, 0) != sizeof boot.seed)
    return system_error("library kernel", "getrandom", errno);
  libkernel::set_clock(boot, before);
  header.shared->strong_fence = strong_fence ? 1 : 0;
  libkernel::answer_faults(header);
  lib_carrier* carrier = take_carrier(header);
  carrier->memory = LIB_MEMORY_NONE;
  libkernel::quiet_thread([&header, carrier] { header.run(carrier); }).detach();
  uint32_t& state = header.shared->state;
  while (shared_word(state) == LIB_BOOTING) futex_wait(state, LIB_BOOTING);
  if (shared_word(state) != LIB_READY)
    return Error{"library kernel", "did not boot",
                 "SANDSTONE_KERNEL_LOG=1 in the environment shows what it says"};
  return {};
}

void fill_boot(runtime::Boot& boot, const Options& options, libkernel::Image& image) {
  boot.kernel = &image.header();
  boot.enter = boot.kernel->enter;
  boot.kernel_text = boot.kernel->text_start;
  boot.kernel_text_end = boot.kernel->text_end;
  boot.memory_fd = image.descriptor();
  boot.memory_size = image.memory_size();
  boot.window_size = image.window_size();
  boot.hwcap = ::getauxval(AT_HWCAP);
  boot.hwcap2 = ::getauxval(AT_HWCAP2);
  boot.clock_ticks = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  boot.minimum_signal_stack = ::getauxval(AT_MINSIGSTKSZ);
  if (boot.minimum_signal_stack == 0) boot.minimum_signal_stack = 2048;
  boot.mode = options.mode;
  boot.trace = options.trace_fd >= 0 && options.mode != runtime::Mode::notify ? 1 : 0;
  boot.count = options.stats_fd >= 0 && options.mode != runtime::Mode::notify ? 1 : 0;
  const lib_boot& clock = *image.header().boot;
  boot.tsc_base = clock.tsc_base;
  boot.tsc_multiplier = clock.tsc_multiplier;
  boot.tsc_nanoseconds = clock.tsc_nanoseconds + static_cast<uint64_t>(clock.real_offset);
  boot.allow_writable_code = options.allow_writable_code ? 1 : 0;
}

// Where the command may be, in order, as execvp(3) looks for it.
std::vector<std::string> places_of(const std::string& command) {
  if (command.find('/') != std::string::npos) return {command};
  std::string path = "/usr/local/bin:/usr/bin:/bin";
  if (const char* set = ::getenv("PATH")) path = set;
  std::vector<std::string> places;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find(':', at), path.size());
    places.push_back((end == at ? std::string(".") : path.substr(at, end - at)) + "/" + command);
    at = end + 1;
  }
  return places;
}

std::vector<const char*> pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> result;
  result.reserve(texts.size() + 1);
  for (const auto& text : texts) result.push_back(text.c_str());
  result.push_back(nullptr);
  return result;
}

// The host kernel writes into it at every preemption, and ends a process that has unmapped it, as guests do.
void leave_rseq() {
#ifdef RSEQ_SIG
  sys::call(SYS_rseq,
            static_cast<long>(reinterpret_cast<uintptr_t>(__builtin_thread_pointer()) + __rseq_offset), 32,
            1 /* RSEQ_FLAG_UNREGISTER */, RSEQ_SIG);
#endif
}

// In the child, where the library kernel goes with it: only the run-time and what it calls run here from now
// on.
[[noreturn]] void become_guest(const runtime::Header& header, runtime::Start& start, int memory_fd,
                               int patches_fd) {
  sys::call(SYS_set_robust_list, 0, 24);
  for (int fd = 3; fd < kMostDescriptors; ++fd)
    if (fd != memory_fd && fd != patches_fd) ::close(fd);
  header.start(&start);
}

// Whether a process that is no more has left a thread's slot as it was. Whoever comes to its end by itself
// gives it back.
bool left_behind(const lib_header& header, uint32_t pid) {
  for (uint32_t i = 0; i < LIB_MAX_CARRIERS; ++i)
    if (shared_word(header.carriers[i].used) != 0 && shared_word(header.carriers[i].pid) == pid) return true;
  return false;
}

// Reaps the host's processes of the guests. One that did not come to its end by itself (the host's OOM
// killer, an operator, a jump to the run-time's exit) leaves tasks that nobody would end.
//
// Where one has ended others soon do. A call that waits for them is woken by each, on a processor that sleeps,
// at a fifth of what fork, exec and exit cost in all; so they are left for a moment, and buried together.
void bury(Task task, Shared& shared) {
  constexpr int kPause = 2;  // milliseconds
  lib_header& header = task.header();
  uint32_t nobody_wakes = 0;
  bool waits = true;
  bool some = false;  // ended since the last pause
  for (;;) {
    int status = 0;
    const long pid = sys::call(SYS_wait4, -1, sys::word(&status), __WALL | (waits ? 0 : WNOHANG), 0);
    if (pid == -EINTR) continue;
    if (pid < 0) return;  // nobody is left, who could have children
    if (pid == 0) {
      waits = !some;
      if (some) futex_wait(nobody_wakes, 0, kPause);
      some = false;
      continue;
    }
    waits = false;
    some = true;
    if (status == 0 && !left_behind(header, static_cast<uint32_t>(pid))) continue;
    const uint32_t owner = shared_word(header.shared->owner);
    if (owner != 0 && owner <= LIB_MAX_CARRIERS &&
        header.carriers[owner - 1].pid == static_cast<uint32_t>(pid))
      fail(shared, {"library kernel", "a process was killed from outside while it ran the kernel",
                    "the sandbox cannot go on without what it was at"});
    task.call(LIB_CALL_DISOWN, pid);
  }
}

// The first guest, with the library kernel in its memory, in the domain that this process is of too.
Result<void> start_sharing(const runtime::Header& header, Shared& shared) {
  const Filter filter = guest_filter();
  shared.start.filter = filter.program();
  // From here on this process is, with all children that it has later, the untrusted domain. Every thread of
  // it: they all run the library kernel.
  if (auto confined = confine(domain_filter(), Confine::all_threads); !confined) return confined;
  const long child = sys::call(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) become_guest(header, shared.start, header.boot->memory_fd, header.boot->patches_fd);
  if (child < 0)
    return system_error("library kernel", "cannot start the first process", static_cast<int>(-child));
  return {};
}

// The first guest, out of reach of this process. It installs the one filter of the guests itself, with the
// table of descriptors shared until then, and so the listener is here.
Result<void> start_notifying(const runtime::Header& header, Shared& shared, Answerer& answerer) {
  const Filter filter = notifying_filter(header.notify_end);
  runtime::Start& start = shared.start;
  start.filter = filter.program();
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const long child = sys::call(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    sys::call(SYS_set_robust_list, 0, 24);
    header.start(&start);
  }
  if (child < 0)
    return system_error("library kernel", "cannot start the first process", static_cast<int>(-child));
  while (shared_word(start.listener) == 0) futex_wait(start.listener, 0, 100);
  if (start.listener == ~0U)
    return Error{"--syscall-mode unotify", "the host's kernel gives no notifications of system calls",
                 "it needs Linux 5.19 or later"};
  answerer.start(static_cast<int>(start.listener - 1));
  if (auto confined = confine(serving_filter(), Confine::all_threads); !confined) return confined;
  shared_word(start.may_run) = 1;
  futex_wake(start.may_run);
  return {};
}

}  // namespace

void run_kernel(Options options, libkernel::Image& image, Shared& shared) {
  release_signals();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "sandstone-linux");
  // Before there is a second thread: in a process with threads the host waits some ten milliseconds here.
  const bool strong_fence = sys::call(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) < 0;
  auto runtime = load_runtime();
  if (!runtime) fail(shared, runtime.error());
  runtime::Boot& boot = *(*runtime)->boot;
  auto patches = make_patch_table(options.mode == runtime::Mode::rewrite);
  if (!patches) fail(shared, patches.error());
  boot.patches_fd = patches->get();
  if (!find_vdso(boot)) fail(shared, {"run-time", "cannot tell where the vdso is", "is /proc mounted?"});
  // A disk's files are not those of this process's root.
  const bool likely = options.mode == runtime::Mode::rewrite && options.disk_fd < 0;
  const Entry entry =
      options.stats_fd < 0 ? Entry{(*runtime)->entry, 0} : Entry{(*runtime)->counted, runtime::kCountedStep};
  Ahead ahead = likely ? Ahead(entry) : Ahead();
  while (shared_word(shared.devices_ready) == 0) futex_wait(shared.devices_ready, 0);
  if (auto sealed = image.seal_text(); !sealed) fail(shared, sealed.error());
  if (auto booted = boot_kernel(options, image, strong_fence); !booted) fail(shared, booted.error());
  fill_boot(boot, options, image);
  lib_header& header = image.header();

  Task init = Task::adopt(header, 1);
  if (!init.valid()) fail(shared, {"library kernel", "process 1 does not answer", {}});
  if (auto made = make_root(init, options); !made) fail(shared, made.error());
  Identity identity{.uid = options.uid, .gid = options.gid};
  if (!options.user.empty()) {
    auto found = look_up(init, options.user);
    if (!found) fail(shared, found.error());
    identity = std::move(*found);
    options.uid = shared.owner[0] = identity.uid;
    options.gid = shared.owner[1] = identity.gid;
  }
  set_variables(options, identity);
  if (auto made = fill_root(init, options); !made) fail(shared, made.error());
  if (options.frames_fd >= 0)
    if (auto configured = configure_card(init, options); !configured) fail(shared, configured.error());
  Streams streams(init);
  if (auto opened = streams.open(options); !opened) fail(shared, opened.error());
  const int first = init.clone(SIGCHLD);
  Task guest = first > 0 ? Task::adopt(header, first) : Task(header, nullptr);
  if (!guest.valid()) fail(shared, system_error("library kernel", "cannot make the first process", -first));
  streams.give(guest);
  init.call(SYS_prctl, PR_SET_NAME, "sandstone-init");
  guest.call(SYS_setgroups, identity.groups.size(), identity.groups.data());
  if (options.gid != 0) {
    guest.call(SYS_setresgid, options.gid, options.gid, options.gid);
  }
  if (options.uid != 0) guest.call(SYS_setresuid, options.uid, options.uid, options.uid);
  if (const int64_t moved = guest.call(SYS_chdir, options.folder); moved < 0)
    fail(shared,
         system_error("-w", fmt::format("cannot enter {}", options.folder), static_cast<int>(-moved)));

  const auto places = places_of(options.command[0]);
  const auto paths = pointers(places);
  const auto arguments = pointers(options.command);
  guest.carrier()->kick = runtime::kKick;
  shared.start = {guest.carrier(),
                  paths.data(),
                  arguments.data(),
                  environ,
                  nullptr,
                  0,
                  static_cast<uint64_t>(first),
                  0,
                  0};
  ::signal(SIGCHLD, SIG_DFL);
  const Task undertaker = helper_of(init);
  streams.start();
  ahead.finish();
  if (options.mode == runtime::Mode::rewrite) start_rewriter(init, boot.patches_fd, entry, std::move(ahead));
  leave_rseq();
  std::optional<Answerer> answerer;
  if (options.mode == runtime::Mode::notify) {
    answerer.emplace(init, undertaker, (*runtime)->notify_end, options.trace_fd >= 0, options.stats_fd >= 0);
    answerer->expect(guest.carrier(), first, first);
  }
  if (auto started =
          answerer ? start_notifying(**runtime, shared, *answerer) : start_sharing(**runtime, shared);
      !started)
    fail(shared, started.error());
  forward_signals(shared, init, first, streams);

  if (undertaker.valid() && !answerer)
    libkernel::quiet_thread([undertaker, &shared] { bury(undertaker, shared); }).detach();

  for (;;) {
    int status = 0;
    const int64_t ended = init.call(SYS_wait4, -1, &status, 0x40000000 /* __WALL */, nullptr);
    if (ended == first) {
      shared.wait_status = status;
      shared.exec_error = static_cast<int32_t>(-shared.start.error);
      shared.ended = 1;
      if (options.stats_fd >= 0) {  // how it was at the end: served at the end of a call
        header.interrupt(LIB_INTERRUPT_COUNT);
        init.call(SYS_getppid);
      }
      break;
    }
    if (ended == -EIO || ended == -ESRCH) {
      std::fprintf(stderr, "sandstone: the library kernel has died\n");
      ::_exit(125);
    }
  }
  init.call(SYS_kill, -1, SIGKILL);
  streams.finish();
  // A file system that stays is left clean.
  init.call(options.disk_fd >= 0 && options.disk == Options::Disk::persistent ? LIB_CALL_HALT : SYS_sync);
  ::_exit(0);
}

}  // namespace sandstone::kernel
