#include <fcntl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "probe/program/attempt.h"
#include "probe/program/canary.h"

namespace sandstone::probe_program {
namespace {

constexpr size_t kPage = 4096;

std::string host_name() {
  char name[65] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

std::string take_all(int fd) {  // fd is non-blocking
  return fd >= 0 ? read_up_to(fd) : std::string();
}

// A terminal as the launcher has one; what is typed is kept as it comes, and echoed to nobody.
int open_terminal(int* slave) {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (master < 0) return -1;
  char name[64];
  if (::grantpt(master) != 0 || ::unlockpt(master) != 0 || ::ptsname_r(master, name, sizeof name) != 0) {
    ::close(master);
    return -1;
  }
  *slave = ::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (*slave < 0) {
    ::close(master);
    return -1;
  }
  termios settings{};
  ::tcgetattr(*slave, &settings);
  ::cfmakeraw(&settings);
  ::tcsetattr(*slave, TCSANOW, &settings);
  tell("pty", name);
  return master;
}

}  // namespace

CanaryObjects::CanaryObjects(const CanaryPlace& place)
    : place_(place), queue_name_("/sandstone-probe-" + place.nonce) {
  // The memory that the attacks on a process read and write; its name in /proc/PID/maps is known to nobody
  // else.
  const std::string name = "sandstone-" + place_.nonce;
  const int memory = ::memfd_create(name.c_str(), 0);
  if (memory >= 0 && ::ftruncate(memory, 2 * kPage) == 0) {
    memory_ = static_cast<char*>(::mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0));
    std::memcpy(memory_, place_.secret.c_str(), place_.secret.size() + 1);
    tell("memfd", std::to_string(memory));
    tell("map-marker", "memfd:" + name);
    tell("address", std::to_string(reinterpret_cast<uintptr_t>(memory_)));
    tell("scratch", std::to_string(reinterpret_cast<uintptr_t>(memory_ + kPage)));
  }

  const int shared = ::shmget(IPC_PRIVATE, kPage, IPC_CREAT | 0600);
  if (shared >= 0) {
    void* mapped = ::shmat(shared, nullptr, 0);
    // Marked for removal at once, it ends with the canary, however that ends; until then others may attach to
    // it.
    ::shmctl(shared, IPC_RMID, nullptr);
    if (mapped != MAP_FAILED) {
      std::memcpy(mapped, place_.secret.c_str(), place_.secret.size() + 1);
      tell("shm-id", std::to_string(shared));
    }
  }
  message_queue_ = ::msgget(IPC_PRIVATE, IPC_CREAT | 0600);
  if (message_queue_ >= 0) tell("msg-id", std::to_string(message_queue_));

  mq_attr attributes{};
  attributes.mq_maxmsg = 4;
  attributes.mq_msgsize = 128;
  queue_ = ::mq_open(queue_name_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attributes);
  if (queue_ >= 0) tell("mq", queue_name_);

  terminal_master_ = open_terminal(&terminal_slave_);
  host_name_ = host_name();
  tell("hostname", host_name_);
  if (place_.sheltered) {
    lent_name_ = "probe-" + place_.nonce;
    tell("new-hostname", lent_name_);
  }
}

CanaryObjects::~CanaryObjects() {
  if (message_queue_ >= 0) ::msgctl(message_queue_, IPC_RMID, nullptr);
  if (queue_ >= 0) ::mq_unlink(queue_name_.c_str());
}

void CanaryObjects::reset() {
  if (memory_ != nullptr) std::memset(memory_ + kPage, 0, kPage);
  struct {
    long type = 1;
    char text[128] = {};
  } message;
  while (message_queue_ >= 0 &&
         ::msgrcv(message_queue_, &message, sizeof message.text, 0, IPC_NOWAIT | MSG_NOERROR) >= 0) {
  }
  message.type = 1;
  std::memset(message.text, 0, sizeof message.text);
  std::memcpy(message.text, place_.secret.data(), place_.secret.size());
  if (message_queue_ >= 0) ::msgsnd(message_queue_, &message, sizeof message.text, IPC_NOWAIT);
  char drain[128];
  while (queue_ >= 0 && ::mq_receive(queue_, drain, sizeof drain, nullptr) >= 0) {
  }
  if (queue_ >= 0) ::mq_send(queue_, place_.secret.data(), place_.secret.size(), 0);
  take_all(terminal_master_);
  take_all(terminal_slave_);
}

void CanaryObjects::inspect(Seen& seen) {
  if (memory_ != nullptr && std::memcmp(memory_ + kPage, "evil", 4) == 0) seen.insert("process-vm-writev");
  const std::string shown = take_all(terminal_master_);
  for (const char* operation : {"host-terminal", "launcher-terminal"})
    if (shown.find(operation) != std::string::npos) seen.insert(operation);
  const std::string typed = take_all(terminal_slave_);
  if (typed.find('a') != std::string::npos) seen.insert("tiocsti");
  if (typed.find('b') != std::string::npos) seen.insert("tiocsti-high-bits");
  if (!lent_name_.empty() && host_name() == lent_name_) {
    seen.insert("set-host-name");
    ::sethostname(host_name_.data(), host_name_.size());
  }
}

}  // namespace sandstone::probe_program
