// What `sandstone-kernel` is told on its command line by the engine that starts it inside the jail.
#pragma once

#include <sandstone/result.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/runtime.h"

namespace sandstone::kernel {

struct Options {
  int image_fd = -1;   // the library kernel's image
  int frames_fd = -1;  // of the network card, if there is one
  std::vector<std::pair<uint16_t, uint16_t>>
      loopback_ports;            // first and last: these of 127.0.0.1 lead to the host's
  uint64_t memory = 1ULL << 30;  // of the library kernel, taken from the host as it is used
  runtime::Mode mode = runtime::Mode::trap;
  int trace_fd = -1;  // every call goes there
  bool trace_json = false;
  int stats_fd = -1;        // calls are counted, and the last sample goes there
  int stats_lines_fd = -1;  // a line of JSON goes there for each of stats_interval
  std::chrono::milliseconds stats_interval{1000};
  bool verbose = false;   // the library kernel's console goes to standard error
  bool terminal = false;  // descriptor 0 is a terminal, and the guest gets one
  bool allow_writable_code = true;
  std::string hostname = "sandstone";
  std::string folder;      // the working folder; empty: the jail's
  bool read_only = false;  // the root
  int disk_fd = -1;        // an ext4 image whose file system is the root, instead of the jail's view
  enum class Disk : uint8_t { fresh, read_only, persistent } disk = Disk::fresh;
  uint32_t uid = 0, gid = 0;           // of the command, inside
  std::string user;                    // the same as the disk's own files have it; empty: these ids
  std::vector<std::string> user_sets;  // HOME and USER, if they are to be that user's
  std::vector<std::string> variables;  // NAME=VALUE: the command's, beside those of this process
  struct Volume {
    std::string path;  // of the jail's view, and of the guest's
    bool read_only;
    bool is_file = false;  // served with the view that it is in
  };
  std::vector<Volume> volumes;  // what the guest writes there goes to the jail's own files
  struct Tmpfs {
    std::string path;
    uint64_t bytes;  // 0: no limit of its own
  };
  std::vector<Tmpfs> tmpfs;
  std::vector<std::string> command;
};

Result<Options> parse(int argc, char** argv);

}  // namespace sandstone::kernel
