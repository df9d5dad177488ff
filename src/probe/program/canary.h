// The canary: a process on the host's side that has everything worth stealing (secrets in files, memory,
// environment, sockets, queues), and that notices what reached it. It tells the prober where to find all
// this:
//
//   canary -> prober   "param KEY VALUE" lines, then "ready"
//   prober -> canary   "reset": plant everything afresh        canary -> prober   "ready"
//   prober -> canary   "inspect": what was reached since?      canary -> prober   "seen OPERATION" lines,
//   "ready"
//
// It ends, and takes what it planted with it, when its standard input ends.
#pragma once

#include <csignal>
#include <set>
#include <string>
#include <vector>

namespace sandstone::probe_program {

inline constexpr char kCanaryName[] = "sandstone-canar";  // 15 bytes: all that the kernel keeps of a name
inline constexpr unsigned long kCanaryFileLimit = 777;
inline constexpr int kCanaryNice = 3;

// One signal for each way of sending one.
inline constexpr int kSignalKill = SIGUSR1;
inline constexpr int kSignalPidfd = SIGUSR2;
inline constexpr int kSignalKillAll = SIGURG;
inline constexpr int kSignalOwner = SIGIO;

using Seen = std::set<std::string>;

struct CanaryPlace {
  std::string base;  // a new folder, the canary's own
  std::string secret;
  std::string nonce;       // in the name of whatever lies outside `base`
  bool sheltered = false;  // mount, UTS and IPC namespaces are the prober's own: may mount and rename
};

void tell(const std::string& key, const std::string& value);

// What is planted in files.
class CanaryFiles {
 public:
  explicit CanaryFiles(const CanaryPlace& place);
  CanaryFiles(const CanaryFiles&) = delete;
  CanaryFiles& operator=(const CanaryFiles&) = delete;
  ~CanaryFiles();
  void reset();
  void inspect(Seen& seen);

 private:
  void describe_host();
  CanaryPlace place_;
  std::string home_, shared_, tmp_, shm_, usr_nested_;
};

// What is planted in the kernel: shared memory, queues, a memfd, the host's name, a terminal.
class CanaryObjects {
 public:
  explicit CanaryObjects(const CanaryPlace& place);
  CanaryObjects(const CanaryObjects&) = delete;
  CanaryObjects& operator=(const CanaryObjects&) = delete;
  ~CanaryObjects();
  void reset();
  void inspect(Seen& seen);

 private:
  CanaryPlace place_;
  std::string host_name_, lent_name_, queue_name_;
  int queue_ = -1;
  int message_queue_ = -1;
  int terminal_master_ = -1;
  int terminal_slave_ = -1;
  char* memory_ = nullptr;  // page 1: the secret; page 2: the scratch that may be overwritten
};

// What listens.
class CanaryServices {
 public:
  explicit CanaryServices(const CanaryPlace& place);
  CanaryServices(const CanaryServices&) = delete;
  CanaryServices& operator=(const CanaryServices&) = delete;
  ~CanaryServices();
  void reset();
  [[nodiscard]] std::vector<int> descriptors() const;
  void serve(int fd, Seen& seen);  // one of descriptors() can be read
  void tick();  // every few milliseconds: traffic to overhear, a visit to the listening port

 private:
  void listen_on_tcp();
  void listen_on_unix();
  CanaryPlace place_;
  std::vector<int> listeners_;
  std::vector<int> peers_;
  int udp_ = -1;
  int icmp_ = -1;
  int traffic_ = -1;
  unsigned short listen_port_ = 0;
};

int canary_main(const CanaryPlace& place);

}  // namespace sandstone::probe_program
