#include "kernel/engine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "jail/program.h"
#include "jail/workload.h"
#include "kernel/workload.h"
#include "net/user_network.h"

namespace sandstone::kernel {
namespace {

constexpr unsigned kMfdExec = 0x10;  // MFD_EXEC, Linux 6.3

// Beside the running program (a build tree), or in an installation's libexec.
Result<Fd> open_part(const char* name, const char* variable) {
  std::vector<std::string> places;
  if (const char* set = variable != nullptr ? ::secure_getenv(variable) : nullptr) places.emplace_back(set);
  char self[4096];
  const ssize_t length = ::readlink("/proc/self/exe", self, sizeof self);
  std::string folder(self, length > 0 ? static_cast<size_t>(length) : 0);
  for (int up = 0; up < 2; ++up) {
    folder.resize(std::min(folder.size(), folder.rfind('/')));
    places.push_back(folder + "/" + name);
    places.push_back(folder + "/libexec/sandstone/" + name);
  }
  places.push_back(std::string(SANDSTONE_LIBEXEC) + "/" + name);
  for (const auto& place : places) {
    Fd file(::open(place.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.valid()) return file;
  }
  return Error{"tier kernel", fmt::format("cannot find {}", name), "build it with ./dev build kernel"};
}

// A copy that nobody can write to: what runs is not to be changed through /proc/PID/exe (CVE-2019-5736).
Result<Fd> sealed(const Fd& file, const char* name) {
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return system_error(name, "fstat", errno);
  Fd copy(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | kMfdExec));
  if (!copy.valid() && errno == EINVAL) copy = Fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!copy.valid()) return system_error(name, "memfd_create", errno);
  for (off_t at = 0; at < info.st_size;) {
    const ssize_t moved =
        ::copy_file_range(file.get(), &at, copy.get(), nullptr, static_cast<size_t>(info.st_size - at), 0);
    if (moved > 0) continue;
    // Across file systems that do not know each other.
    char part[1 << 16];
    const ssize_t got = ::pread(file.get(), part, sizeof part, at);
    if (got <= 0 || ::write(copy.get(), part, static_cast<size_t>(got)) != got)
      return system_error(name, "cannot copy it", errno);
    at += got;
  }
  if (::fcntl(copy.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
    return system_error(name, "cannot seal it", errno);
  return copy;
}

// Between the network's process, which must not wait for it, and the library kernel's card.
Result<std::pair<Fd, Fd>> make_wire() {
  auto ends = make_socket_pair(SOCK_SEQPACKET);
  if (!ends) return ends;
  const int buffer = 4 << 20;  // the kernel takes as much of it as net.core.wmem_max says
  for (const Fd* end : {&ends->first, &ends->second})
    ::setsockopt(end->get(), SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  ::fcntl(ends->first.get(), F_SETFL, O_RDWR | O_NONBLOCK);
  return ends;
}

// With the caller's own rights, out of the jail's reach.
Result<Fd> open_output(const char* flag, const std::string& path) {
  Fd file(path == "-" ? ::fcntl(2, F_DUPFD_CLOEXEC, 3)
                      : ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600));
  if (!file.valid()) return system_error(flag, fmt::format("cannot open {}", path), errno);
  return file;
}

// With the caller's own rights, as everything that the caller names. Not blocking: the name may be a FIFO's.
Result<Fd> open_disk(const RunSpec& spec) {
  Fd disk(::open(spec.disk_image.c_str(),
                 (spec.persist ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!disk.valid())
    return system_error("--disk-image",
                        fmt::format("cannot open {}{}", spec.disk_image, spec.persist ? " for writing" : ""),
                        errno);
  return disk;
}

// Threads that the jail counts with the guests': those of sandstone-kernel's two processes, one or two a device, and one
// that is there while a guest that shares its parent's memory moves out of it (src/runtime/process.cc).
uint32_t own_threads(const RunSpec& spec) {
  const SyscallMode mode = spec.chosen_syscall_mode();
  const auto volumes = std::count_if(spec.mounts.begin(), spec.mounts.end(),
                                     [](const Mount& mount) { return mount.kind == Mount::Kind::bind; });
  return 13 + static_cast<uint32_t>(volumes) + (mode == SyscallMode::rewrite ? 1 : 0) +
         (mode == SyscallMode::unotify ? 3 : 0) + (spec.network == Network::user ? 2 : 0) +
         (spec.trace.empty() ? 0 : 2) + (spec.counts_stats() ? 1 : 0);
}

// The library kernel's share of -m: its caches then give way before the host has to kill. The rest is for
// what programs map.
uint64_t kernel_memory(uint64_t limit) {
  constexpr uint64_t kLeast = 48ULL << 20;
  constexpr uint64_t kMost = 1ULL << 30;
  return std::clamp(limit / 2 >> 20 << 20, kLeast, kMost);
}

bool has_variable(const std::vector<std::pair<std::string, std::string>>& all, const std::string& name) {
  return std::any_of(all.begin(), all.end(), [&](const auto& each) { return each.first == name; });
}

// Variables go as words, not into the environment of sandstone-kernel: an image's maker has no say in how that runs.
template <typename Add>
void add_identity(const RunSpec& spec, const Add& add) {
  for (const auto& [name, value] : spec.image_environment)
    if (!has_variable(spec.environment, name)) add("--variable", fmt::format("{}={}", name, value));
  if (spec.user || spec.image_user.empty()) return;
  add("--user", spec.image_user);
  for (const char* name : {"HOME", "USER"})
    if (!has_variable(spec.environment, name) && !has_variable(spec.image_environment, name))
      add("--user-sets", name);
}

Result<jail::Program> program_for(const RunSpec& spec, const Fd& stats) {
  auto executable = open_part("sandstone-kernel", nullptr);
  if (!executable) return executable.error();
  auto copy = sealed(*executable, "sandstone-kernel");
  if (!copy) return copy.error();
  auto image = open_part("library-kernel", "SANDSTONE_LIBRARY_KERNEL");
  if (!image) return image.error();
  jail::Program program;
  program.executable = std::move(*copy);
  program.serves_calls = spec.chosen_syscall_mode() == SyscallMode::unotify;
  auto& words = program.arguments;
  words = {"sandstone-kernel", "--mode", to_string(spec.chosen_syscall_mode()), "--hostname",
           spec.hostname.value_or("sandstone")};
  const auto add = [&words](const char* flag, std::string value) {
    words.emplace_back(flag);
    words.push_back(std::move(value));
  };
  const auto hand = [&](const char* flag, Fd fd) {
    add(flag, std::to_string(jail::Program::kFirst + static_cast<int>(program.descriptors.size())));
    program.descriptors.push_back(std::move(fd));
  };
  hand("--image-fd", std::move(*image));
  if (spec.network == Network::user) {
    auto wire = make_wire();
    if (!wire) return wire.error();
    program.frames = std::move(wire->first);
    hand("--frames-fd", std::move(wire->second));
    const net::LinkPlan plan = net::link_plan(spec);
    for (size_t i = 0; i < plan.loopback_ranges; ++i)
      add("--loopback-ports", fmt::format("{}-{}", plan.loopback[i].first, plan.loopback[i].last));
  }
  if (!spec.trace.empty()) {
    auto file = open_output("--trace", spec.trace);
    if (!file) return file.error();
    hand("--trace-fd", std::move(*file));
    if (spec.trace_json) words.emplace_back("--trace-json");
  }
  if (stats.valid()) {
    Fd shared = stats.duplicate();
    if (!shared.valid()) return system_error("--stats", "cannot share its file", errno);
    hand("--stats-fd", std::move(shared));
  }
  if (!spec.stats_file.empty()) {
    auto file = open_output("--stats-file", spec.stats_file);
    if (!file) return file.error();
    hand("--stats-lines-fd", std::move(*file));
    add("--stats-interval", std::to_string(spec.stats_interval.count()));
  }
  if (!spec.disk_image.empty()) {
    auto disk = open_disk(spec);
    if (!disk) return disk.error();
    hand("--disk-fd", std::move(*disk));
    if (spec.disk_read_only) words.emplace_back("--disk-read-only");
    if (spec.persist) words.emplace_back("--disk-persistent");
    add("--folder", spec.working_directory.empty() ? "/" : spec.working_directory);
    add_identity(spec, add);
  }
  if (spec.user) {
    add("--uid", std::to_string(spec.user->uid));
    add("--gid", std::to_string(spec.user->gid));
  }
  if (spec.limits.memory_bytes) add("--memory", std::to_string(kernel_memory(*spec.limits.memory_bytes)));
  if (spec.terminal) words.emplace_back("--terminal");
  if (!spec.writable_code) words.emplace_back("--no-writable-code");
  if (spec.read_only_root) words.emplace_back("--read-only");
  if (::getenv("SANDSTONE_KERNEL_LOG") != nullptr) words.emplace_back("--verbose");
  for (const Mount& mount : spec.mounts) {
    if (mount.kind == Mount::Kind::tmpfs) {
      add("--tmpfs", fmt::format("{}:{}", mount.size_bytes, mount.destination));
    } else {
      add(mount.access == Access::read_write ? "--writable" : "--readable", mount.destination);
    }
  }
  words.emplace_back("--");
  return program;
}

class KernelEngine final : public engine::Engine {
 public:
  [[nodiscard]] bool serves(Tier tier) const override { return tier == Tier::kernel; }
  Result<std::unique_ptr<engine::Workload>> start(const RunSpec& spec, engine::Ports ports) const override {
    if (!spec.save_directory.empty())
      return Error{"--save", "the tier kernel keeps what is written in memory",
                   "use --tier full, or -v for what is to stay"};
    RunSpec inside = spec;
    if (inside.limits.pids) *inside.limits.pids += own_threads(spec);
    Fd stats;
    if (spec.counts_stats()) {
      auto file = make_stats_file();
      if (!file) return file.error();
      stats = std::move(*file);
    }
    auto program = program_for(inside, stats);
    if (!inside.user) inside.user = User{0, 0};  // whole root: it is that of the library kernel alone
    if (!spec.disk_image.empty())
      inside.working_directory.clear();  // it is the image's, and need not be in the jail's view
    if (!program) return program.error();
    auto workload = jail::JailWorkload::start(inside, std::move(ports), &*program);
    if (!workload || !stats.valid()) return workload;
    return std::unique_ptr<engine::Workload>(
        std::make_unique<CountedWorkload>(std::move(*workload), std::move(stats)));
  }
};

}  // namespace

const engine::Engine& kernel_engine() {
  static const KernelEngine engine;
  return engine;
}

}  // namespace sandstone::kernel
