// RunSpec: everything there is to say about one run, independent of the tier that carries it out.
//
//   auto spec = sandstone::RunSpec::command({"python3", "-c", "print(6*7)"})
//                   .with_tier(sandstone::Tier::full)
//                   .with_memory(256 << 20)
//                   .with_timeout(std::chrono::seconds(10))
//                   .with_bind("/home/me/data", "/data", sandstone::Access::read_only);
//
// A RunSpec is plain data: it owns its strings, refers to no kernel object and may be copied. It is checked by
// check(), which every engine calls before it does anything.
#pragma once

#include <sandstone/result.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sandstone {

// The ladder. Each tier has every wall of the tiers before it.
enum class Tier : uint8_t { none, ns, landlock, full, kernel };

// How the tier kernel gets at the workload's system calls.
enum class SyscallMode : uint8_t { automatic, unotify, trap, rewrite };

enum class Access : uint8_t { read_write, read_only };

// A piece of the workload's view of files, applied in the order given.
struct Mount {
  enum class Kind : uint8_t { bind, tmpfs };
  Kind kind = Kind::bind;
  std::string source;       // bind: an absolute host path (symlinks are followed, on the host, once)
  std::string destination;  // absolute, as the workload sees it; created if missing
  Access access = Access::read_write;
  uint64_t size_bytes = 0;  // tmpfs: 0 means the default of kDefaultTmpfsBytes
};

inline constexpr uint64_t kDefaultTmpfsBytes = 512ULL << 20;

struct PortForward {
  std::string host_address = "127.0.0.1";  // a literal IPv4 address
  uint16_t host_port = 0;
  uint16_t sandbox_port = 0;
  bool udp = false;
};

enum class Network : uint8_t {
  none,  // a loopback of its own, nothing else
  host,  // the host's network namespace: no wall
  user,  // user-mode network behind the policy of `allow` and `forwards`
};

// setrlimit(2), by the name that prlimit(1) uses without RLIMIT_ ("nofile"). UINT64_MAX means unlimited.
struct Ulimit {
  std::string name;
  uint64_t soft = 0;
  uint64_t hard = 0;
};

struct Limits {
  std::optional<uint64_t> memory_bytes;         // of all processes together, tmpfs pages included
  std::optional<double> cpus;                   // CPU time per wall time: 1.5 is one CPU and a half
  std::optional<uint32_t> pids;                 // processes and threads together, process 1 not counted
  std::optional<uint64_t> disk_bytes;           // all that the workload writes to its private files
  std::optional<uint64_t> output_bytes;         // stdout and stderr together
  std::optional<std::chrono::milliseconds> timeout;  // wall time
  std::vector<Ulimit> ulimits;
};

// The ids that the workload has inside. Outside they are the caller's own (or nobody's, for a root caller).
struct User {
  uid_t uid = 1000;
  gid_t gid = 1000;
};

struct RunSpec {
  std::string name;                // for people and events; empty: none
  std::vector<std::string> argv;   // argv[0] is looked up in the workload's PATH, inside the sandbox
  Tier tier = Tier::full;
  bool best_effort = false;        // go on without walls and limits that this host lacks; the Outcome lists them
  // The walls to raise, by name, instead of the tier's own list. For experiments (the probe's ablation).
  std::optional<std::vector<std::string>> walls;

  // View
  std::string rootfs;              // empty: the default view of the host's system folders
  std::string save_directory;      // with rootfs: where what the workload changed is kept; empty: dropped
  bool read_only_root = false;
  std::vector<Mount> mounts;
  std::string working_directory;   // empty: the home folder
  std::optional<std::string> hostname;  // default "sandstone"
  std::optional<User> user;

  // Tier kernel only
  std::string disk_image;          // an ext4 disk image of the host's whose file system is the root; empty: the view above
  bool disk_read_only = false;     // it cannot be written to
  bool persist = false;            // what is written to it stays; otherwise it is gone at the end of the run
  std::string image_user;          // NAME|ID[:NAME|ID], looked up in the image's own files; not looked at if `user` is set
  std::vector<std::pair<std::string, std::string>> image_environment;  // what the image says; `environment` goes before it
  SyscallMode syscall_mode = SyscallMode::automatic;
  bool audit = false;              // the calls are seen and answered where the workload cannot reach: chooses unotify
  std::string trace;               // a file for a line about each system call; "-": standard error; empty: none
  bool trace_json = false;         // in JSON, one object a line
  bool stats = false;              // count what its kernel does: Outcome::stats
  std::string stats_file;          // a file for lines of JSON about it; empty: none. Counts as well
  std::chrono::milliseconds stats_interval{1000};  // between two of its lines
  bool writable_code = true;       // memory may be writable and executable at once, as just-in-time compilers want it

  // Environment: only what is named here, and a small default (PATH, HOME, USER, LANG, TERM with a terminal).
  std::vector<std::pair<std::string, std::string>> environment;

  Limits limits;

  Network network = Network::none;
  std::vector<std::string> allow;        // NAME|CIDR[:PORT]; `*.example.org` allows subdomains
  std::vector<PortForward> forwards;

  bool terminal = false;                 // a pty of its own (-t)
  bool interactive = true;               // stdin is passed on (-i); otherwise it is empty

  [[nodiscard]] static RunSpec command(std::vector<std::string> argv);
  RunSpec& with_tier(Tier t) { tier = t; return *this; }
  RunSpec& with_bind(std::string source, std::string destination, Access access = Access::read_write);
  RunSpec& with_tmpfs(std::string destination, uint64_t size_bytes = 0);
  RunSpec& with_rootfs(std::string directory) { rootfs = std::move(directory); return *this; }
  RunSpec& with_env(std::string name, std::string value);
  RunSpec& with_memory(uint64_t bytes) { limits.memory_bytes = bytes; return *this; }
  RunSpec& with_pids(uint32_t count) { limits.pids = count; return *this; }
  RunSpec& with_timeout(std::chrono::milliseconds wall) { limits.timeout = wall; return *this; }
  RunSpec& with_network(Network n) { network = n; return *this; }
  RunSpec& with_allow(std::string rule);
  RunSpec& with_forward(PortForward forward);

  // Refuses what no tier could run: no command, a relative mount point, impossible combinations. The Error's
  // place is the command line's flag for the field. Sees the spec alone, never the host.
  [[nodiscard]] Result<void> check() const;

  [[nodiscard]] bool counts_stats() const { return stats || !stats_file.empty(); }

  // What `automatic` comes to.
  [[nodiscard]] SyscallMode chosen_syscall_mode() const {
    if (syscall_mode != SyscallMode::automatic) return syscall_mode;
    return audit ? SyscallMode::unotify : SyscallMode::rewrite;
  }
};

[[nodiscard]] const char* to_string(Tier tier);
[[nodiscard]] const char* to_string(Network network);
[[nodiscard]] const char* to_string(SyscallMode mode);
[[nodiscard]] std::optional<Tier> parse_tier(const std::string& text);
[[nodiscard]] std::optional<SyscallMode> parse_syscall_mode(const std::string& text);
[[nodiscard]] std::optional<Network> parse_network(const std::string& text);

}  // namespace sandstone
