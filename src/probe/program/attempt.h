// Small tools that the operations share.
#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "probe/program/operation.h"

namespace sandstone::probe_program {

// Owner of a descriptor; the program shares no code with the supervisor, so that it stays small and static.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

// A writable folder of the workload's own, removed at the end. Empty path: none could be made.
class Scratch {
 public:
  Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();
  [[nodiscard]] bool valid() const { return !path_.empty(); }
  [[nodiscard]] std::string path(const std::string& name = {}) const {
    return name.empty() ? path_ : path_ + "/" + name;
  }

 private:
  std::string path_;
  dev_t device_ = 0;
};

std::string read_up_to(int fd, size_t limit = 65536);  // what came before end of file or an error
bool write_whole(int fd, const std::string& data);

// Reads a file of the host and judges by the secret in it. `key` names the secret's fingerprint.
Verdict read_secret_file(const Parameters& parameters, const std::string& key, const std::string& path);

// Opens `path` and closes it again: for files where having a descriptor is the prize and using it would do
// harm.
Verdict open_only(const std::string& path, int flags);

// A mount namespace of the calling process's own, cut off from its parent's: what follows cannot reach the
// processes that stay behind. False if it may not be made; errno says why.
bool own_mount_namespace();

// Runs `body` in a further process and gives its verdict. For what would change the caller: credentials,
// filters.
Verdict in_child(const std::function<Verdict()>& body);

// Starts `argv` in a child and gives its standard output; `before_exec` runs in the child (false: give up,
// with errno). For setuid copies of this program.
struct Executed {
  bool started = false;
  int error = 0;  // errno of what failed before or in exec
  std::string output;
};
Executed execute(const std::vector<std::string>& argv, const std::function<bool()>& before_exec = {});

// How long, in milliseconds, to wait for an answer. On loopback it takes microseconds, unless the machine is
// busy.
inline constexpr int kPatience = 500;

// The same for something that comes from the canary every 15 ms, or never: half of all runs wait for it in
// vain.
inline constexpr int kPatienceInVain = 300;

bool readable(int fd, int milliseconds = kPatience);  // waits until `fd` can be read

void serialise(int fd, const Verdict& verdict);
Verdict deserialise(const std::string& data);

}  // namespace sandstone::probe_program
