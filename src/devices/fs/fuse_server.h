// FuseServer: serves one host folder to a guest's kernel, which speaks FUSE (<linux/fuse.h>, 7.31 to 7.38)
// over the virtio-fs device. The guest is hostile: every byte of a request may lie, and may change while it
// is read.
//
//   fs::Options options;
//   options.root = Fd(::open("/srv/share", O_PATH | O_DIRECTORY | O_CLOEXEC));
//   options.read_only = false;
//   auto server = fs::FuseServer::create(std::move(options));
//   if (!server) return fail(server.error().line());
//   size_t used = (*server)->handle(readable_iovecs, writable_iovecs);   // from any thread, several at once
//
// What it guarantees:
// - Nothing outside the folder is reached. A path is walked one name at a time, each relative to an O_PATH
// descriptor
//   of its parent; no symlink is ever followed here (the guest reads their text and follows them in its own
//   tree), and
//   "..", "/" and NUL in a name are refused. A folder that the host itself moves out of the share while the
//   guest has it stays usable to the guest until it forgets it, as a descriptor would; its parents do not
//   become visible.
// - FIFOs, sockets and devices are never opened on the host, nor are procfs, sysfs and their like entered.
// - `read_only` is enforced here: every request that would change something answers EROFS.
// - Disk space is the host's matter: a guest that may write can fill it. Where RLIMIT_FSIZE is set, ignore
// SIGXFSZ.
// - Memory and descriptors are bounded by Options; over the bound a request answers ENFILE.
#pragma once

#include <sandstone/result.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/fd.h"

namespace sandstone::fs {

// `count` ids from `guest` on, in the guest, are those from `host` on, on the host.
struct IdRange {
  uint32_t guest = 0;
  uint32_t host = 0;
  uint32_t count = 0;
};

// Every file appears as this owner, and new ones are the server's own on the host.
struct Squash {
  uid_t uid = 0;
  gid_t gid = 0;
  bool lenient =
      false;  // giving a file to somebody else succeeds and changes nothing, so that root's tar(1) is content
  const uint32_t* shared = nullptr;  // if there is one: the two ids, which may become known later, are there

  [[nodiscard]] uid_t user() const {
    return shared != nullptr ? __atomic_load_n(&shared[0], __ATOMIC_RELAXED) : uid;
  }
  [[nodiscard]] gid_t group() const {
    return shared != nullptr ? __atomic_load_n(&shared[1], __ATOMIC_RELAXED) : gid;
  }
};

enum class CachePolicy : uint8_t {
  never,      // ask for everything every time
  automatic,  // others may change the folder: names and attributes are believed for a second
  always,     // nobody changes the folder while it is served
};

struct Options {
  Fd root;  // the folder, opened with O_PATH | O_DIRECTORY
  bool read_only = true;
  bool cross_mounts = true;  // false: what is mounted inside the folder answers EXDEV
  CachePolicy cache = CachePolicy::automatic;

  // Ids: either `squash`, or the ranges. An id outside of all ranges appears as 65534 and cannot be set.
  // Owners other than the server's own need CAP_CHOWN.
  std::optional<Squash> squash;
  std::vector<IdRange> uids;
  std::vector<IdRange> gids;
  bool set_id_bits =
      false;  // false: set-user-id and set-group-id bits are dropped from what the guest asks for
  bool direct_io =
      true;  // false: opening with O_DIRECT answers EINVAL, for a guest whose memory takes no part in it
  bool user_xattrs = true;  // "user.*"; all other extended attributes are hidden in any case

  // Bounds. The first two are lowered to what RLIMIT_NOFILE leaves.
  size_t max_node_descriptors =
      8192;                     // nodes that are held open; the others are found again by name when needed
  size_t max_handles = 4096;    // files and folders that the guest has open
  size_t max_nodes = 1U << 19;  // what the guest's kernel may remember: some 300 bytes and the name each
};

class FuseServer {
 public:
  // Fails if the root is no folder or is procfs or its like, if /proc is not mounted here, or if ranges
  // overlap. Call it in the process that will serve: after a fork, the server is the parent's only.
  static Result<std::unique_ptr<FuseServer>> create(Options options);
  ~FuseServer();
  FuseServer(const FuseServer&) = delete;
  FuseServer& operator=(const FuseServer&) = delete;

  // One request: reads it from `request`, answers into `reply`, and returns how many bytes of `reply` it has
  // written: 0 for requests that have no answer (FORGET, INTERRUPT) and where not even an error fits. May
  // block on the host's disk. Thread-safe. Both may lie in memory that somebody else is writing to, and must
  // stay mapped; file data moves straight between them and the file.
  size_t handle(std::span<const iovec> request, std::span<const iovec> reply);

  // As DESTROY: every node and handle is given up. For the device's reset.
  void reset();

  // What is held at the moment.
  struct Usage {
    size_t nodes = 0;
    size_t node_descriptors = 0;
    size_t handles = 0;
  };
  [[nodiscard]] Usage usage() const;

  struct State;  // internal

 private:
  explicit FuseServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sandstone::fs
