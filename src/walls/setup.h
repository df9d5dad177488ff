// What the walls of one run share: Setup on the supervisor's side of the clone, Child on the other.
#pragma once

#include <sandstone/run_spec.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"

namespace sandstone::walls {

enum class Grant : uint8_t { none, list, read, read_execute, read_write, device };

// One step of composing the workload's view of files; see compose.cc. Paths are absolute as the workload sees
// them, without "..", "." or doubled slashes.
struct ViewStep {
  enum class Kind : uint8_t {
    directory,       // made if missing
    file,            // made new, with `content`
    symlink,         // to `content`
    bind,            // `source` of the host, recursive
    own_folder,      // a folder of the private tmpfs over whatever a rootfs has there
    own_file,        // a file of the private tmpfs, with `content`, over whatever a rootfs has there
    private_folder,  // made if missing; an own folder over it if the workload could not write there
    tmpfs,           // `bytes` large
    proc,
    devpts,
    mask,       // something empty over a file or folder, if it is there
    read_only,  // a read-only view of what is already there, if it is there
    seal,       // the mount that is there becomes read-only
  };
  Kind kind = Kind::directory;
  const char* origin = "";  // the option that asked for it
  std::string destination;
  std::string source;
  std::string content;
  uint64_t bytes = 0;
  uint32_t mode = 0755;
  bool writable = false;
  bool devices = false;   // a bind of a device node: nodev would break it
  bool may_fail = false;  // a convenience, such as a file in a rootfs that its owner locked
  bool own_mount =
      false;  // private_folder: a mount in any case, so that it stays writable when the root is sealed
  Grant grant = Grant::none;  // what Landlock allows below `destination`
  int source_fd = -1;         // child: opened before the ids change, so that the caller's own rights decide
};

// An empty file takes no page of a tmpfs, yet a kilobyte of the kernel's memory: its size limits the number
// of files too.
inline constexpr uint64_t kBytesPerInode = 2048;

struct Setup {
  RunSpec spec;                    // checked
  std::vector<std::string> walls;  // names of the walls in force
  bool caller_is_root = false;
  User inside;                // the workload's ids as it sees them
  User outside;               // and as the host sees them
  bool has_id_range = false;  // other ids are mapped too, to some that the host has no use for
  std::string home;
  std::string command_path;  // PATH of the workload

  std::vector<ViewStep> view;
  std::vector<std::string> environment;  // NAME=VALUE
  std::string hostname = "sandstone";

  // The size of the private tmpfs, which holds all private files but those of --tmpfs.
  uint64_t private_bytes = kDefaultTmpfsBytes;
  Fd rootfs_mount;             // a root caller's rootfs as an id-mapped detached mount
  Fd save_lock;                // the folder of --save, ours alone while this is open
  bool report_denials = true;  // the seccomp wall installs a listener
  bool serves_calls =
      false;  // the program answers its children's calls by a listener of its own: the wall has none
  bool terminal_inside = false;   // the pty is made in the sandbox's own devpts
  bool counts_processes = false;  // the limit on processes is RLIMIT_NPROC's
  bool keeps_slot = false;        // and process 1 keeps one place of it: see jail/pids_watch.h

  [[nodiscard]] bool has(std::string_view wall) const {
    return std::find(walls.begin(), walls.end(), wall) != walls.end();
  }
};

// Why a wall could not be raised, fit to cross a socket.
struct Failure {
  int32_t error = 0;  // errno
  std::array<char, 48> step{};
  std::array<char, 200> subject{};
};

// The child's side. Plain data and descriptors: everything here is used between clone and exec.
struct Child {
  explicit Child(Setup& s) : setup(s) {}

  Setup& setup;  // must not be changed in a way that allocates
  Failure failure;

  int map_ready_fd = -1;  // reads one byte once the id maps are written
  int listener_fd = -1;   // out: seccomp's notifications
  int frames_fd = -1;     // out: the interface's frames
  int terminal_fd = -1;   // out: the master of the workload's pty
  int terminal_slave_fd = -1;
  int rootfs_fd = -1;  // the rootfs and the folder of --save, opened while the ids are still the caller's
  int save_fd = -1;
  int disk_fd = -1;                // out: the private tmpfs, if its size was asked for
  int processes_fd = -1;           // out: the sandbox's proc, if its processes are to be counted
  int control_fd = -1;             // to the supervisor; process 1 inherits it
  void* network_helper = nullptr;  // net wall: the helper that makes the namespace meanwhile

  // Records why and gives false, so that `return child.fail(...)` reads well.
  bool fail(int negative_errno, const char* step, const char* subject = "") noexcept;
};

}  // namespace sandstone::walls
