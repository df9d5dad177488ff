// The windows to the outside other than disks: host folders and the network.
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "booted.h"
#include "tree.h"

namespace sandstone {
namespace {

class Folders : public BootedKernel {
 protected:
  void share(const std::string& folder, const char* tag, unsigned flags, const char* target) {
    auto added = kernel().add_folder(folder, tag, flags);
    ASSERT_TRUE(added.ok()) << added.error().line();
    must(SYS_mkdir, target, 0755);
    must(SYS_mount, tag, target, "virtiofs", 0, nullptr);
  }
  System host_;
  Scratch scratch_;
  // An ordinary user's folder is root's inside, as everything there is.
  Compare how_{.nanoseconds = true, .owners = ::geteuid() == 0, .root = true};
};

TEST_F(Folders, AreWhatTheHostHas) {
  make_tree(scratch_ / "tree", 500);
  share(scratch_ / "tree", "tree", SANDSTONE_FOLDER_READ_ONLY, "/tree");
  const Tree wanted = read_tree(host_, scratch_ / "tree");
  expect_same(wanted, read_tree(System(task()), "/tree"), how_);
  EXPECT_EQ(task().call(SYS_open, "/tree/new", O_CREAT | O_WRONLY, 0600), -EROFS);
  EXPECT_EQ(task().call(SYS_open, "/tree/odd/one", O_WRONLY), -EROFS);
  EXPECT_EQ(task().call(SYS_unlink, "/tree/odd/one"), -EROFS);
  EXPECT_EQ(task().call(SYS_mkdir, "/tree/folder", 0700), -EROFS);
  EXPECT_EQ(task().call(SYS_rename, "/tree/odd/one", "/tree/odd/two"), -EROFS);
  EXPECT_EQ(task().call(SYS_chmod, "/tree/odd/one", 0600), -EROFS);
  EXPECT_EQ(task().call(SYS_setxattr, "/tree/odd/one", "user.a", "b", 1, 0), -EROFS);
  EXPECT_EQ(task().call(SYS_truncate, "/tree/odd/one", 0), -EROFS);
  expect_same(wanted, read_tree(host_, scratch_ / "tree"));
}

TEST_F(Folders, TakeWhatIsWritten) {
  ASSERT_EQ(::mkdir((scratch_ / "shared").c_str(), 0755), 0);
  make_tree(scratch_ / "tree", 300);
  share(scratch_ / "tree", "tree", SANDSTONE_FOLDER_READ_ONLY, "/tree");
  share(scratch_ / "shared", "shared", 0, "/shared");
  const System inside(task());
  copy_tree(inside, "/tree/odd", inside, "/shared/odd");
  copy_tree(inside, "/tree/deep", inside, "/shared/deep");
  Tree wanted = read_tree(host_, scratch_ / "tree/odd");
  for (auto& [path, entry] : wanted)  // a guest makes nothing on the host that runs as somebody else
    if (S_ISREG(entry.mode)) entry.mode &= ~uint32_t{S_ISUID | ((entry.mode & S_IXGRP) != 0 ? S_ISGID : 0U)};
  expect_same(wanted, read_tree(host_, scratch_ / "shared/odd"), how_);
  expect_same(read_tree(inside, "/tree/deep"), read_tree(host_, scratch_ / "shared/deep"), how_);
  must(SYS_rename, "/shared/odd/one", "/shared/odd/two");
  must(SYS_unlink, "/shared/odd/empty");
  EXPECT_NE(::access((scratch_ / "shared/odd/two").c_str(), F_OK), -1);
  EXPECT_EQ(::access((scratch_ / "shared/odd/empty").c_str(), F_OK), -1);
  // What the host writes comes in.
  write_host_file(scratch_ / "shared/from-the-host", "hello");
  char text[16] = {};
  const auto fd = must(SYS_open, "/shared/from-the-host", O_RDONLY);
  EXPECT_EQ(must(SYS_read, fd, text, sizeof text), 5);
  EXPECT_STREQ(text, "hello");
  must(SYS_close, fd);
}

TEST_F(Folders, KeepWhatIsOutside) {
  const std::string shared = scratch_ / "shared";
  ASSERT_EQ(::mkdir(shared.c_str(), 0755), 0);
  write_host_file(scratch_ / "secret", "the host's");
  const std::string secret = scratch_ / "secret";
  ASSERT_EQ(::symlink(secret.c_str(), (shared + "/absolute").c_str()), 0);
  ASSERT_EQ(::symlink("../secret", (shared + "/relative").c_str()), 0);
  ASSERT_EQ(::symlink("..", (shared + "/up").c_str()), 0);
  share(shared, "shared", 0, "/shared");
  must(SYS_symlink, ("/proc/self/root" + secret).c_str(), "/shared/proc");
  // Links are followed inside, in this kernel's own tree, where there is no such file.
  for (const char* path :
       {"/shared/absolute", "/shared/relative", "/shared/up/secret", "/shared/../secret", "/shared/proc"})
    EXPECT_EQ(task().call(SYS_open, path, O_RDONLY), -ENOENT) << path;
  // Writing by such a link makes a file here, not there.
  must(SYS_close, must(SYS_open, "/shared/relative", O_CREAT | O_WRONLY, 0600));
  struct stat info{};
  ASSERT_EQ(::stat(secret.c_str(), &info), 0);
  EXPECT_EQ(info.st_size, 10);
  must(SYS_stat, "/secret", &info);
  EXPECT_EQ(info.st_size, 0);
  // A folder that becomes a link to the outside while the guest stands in it.
  must(SYS_mkdir, "/shared/folder", 0755);
  const auto folder = must(SYS_open, "/shared/folder", O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::rmdir((shared + "/folder").c_str()), 0);
  ASSERT_EQ(::symlink("..", (shared + "/folder").c_str()), 0);
  EXPECT_LT(task().call(SYS_openat, folder, "secret", O_RDONLY), 0);
  EXPECT_LT(task().call(SYS_open, "/shared/folder/secret/../secret", O_RDONLY), 0);
  ::rename(shared.c_str(), (scratch_ / "moved").c_str());
  EXPECT_LT(task().call(SYS_openat, folder, "../../secret", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), 0);
}

// The other end of the cable: answers ARP, ping and UDP (port 7: echo) as 10.0.0.1.
class Peer {
 public:
  explicit Peer(LibraryKernel& kernel) : kernel_(kernel) {}
  ~Peer() { stop(); }

  void start() {
    char error[256];
    const uint8_t mac[6] = {0x02, 0, 0, 0, 0, 0x02};
    number_ = sandstone_kernel_add_network(kernel_.get(), mac, 1500, &Peer::take, this, error, sizeof error);
    ASSERT_GE(number_, 0) << error;
    thread_ = std::thread([this] { work(); });
  }
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  // Until the kernel has taken it.
  void send(const std::vector<uint8_t>& frame) {
    while (sandstone_kernel_deliver(kernel_.get(), number_, frame.data(), frame.size()) == -ENOBUFS)
      std::this_thread::yield();
  }
  // A ping of ours to 10.0.0.2.
  void ping(uint16_t sequence, size_t size) {
    std::vector<uint8_t> frame(14 + 20 + 8 + size, 0x55);
    const uint8_t ethernet[14] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0};
    std::memcpy(frame.data(), ethernet, 14);
    iphdr ip{};
    ip.version = 4;
    ip.ihl = 5;
    ip.ttl = 64;
    ip.protocol = IPPROTO_ICMP;
    ip.tot_len = htons(static_cast<uint16_t>(28 + size));
    ip.saddr = inet_addr("10.0.0.1");
    ip.daddr = inet_addr("10.0.0.2");
    ip.check = checksum(&ip, sizeof ip);
    icmphdr icmp{};
    icmp.type = ICMP_ECHO;
    icmp.un.echo.id = htons(77);
    icmp.un.echo.sequence = htons(sequence);
    std::memcpy(frame.data() + 14, &ip, sizeof ip);
    std::memcpy(frame.data() + 34, &icmp, sizeof icmp);
    icmp.checksum = checksum(frame.data() + 34, 8 + size);
    std::memcpy(frame.data() + 34, &icmp, sizeof icmp);
    send(frame);
  }

  std::atomic<unsigned> pongs{0}, arps{0};

 private:
  static void take(void* self, const void* data, size_t size) {
    auto* peer = static_cast<Peer*>(self);
    const auto* bytes = static_cast<const uint8_t*>(data);
    {
      const std::lock_guard lock(peer->mutex_);
      peer->frames_.emplace_back(bytes, bytes + size);
    }
    peer->changed_.notify_all();
  }
  static uint16_t checksum(const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    uint32_t sum = 0;
    for (size_t i = 0; i < size; ++i) sum += i % 2 == 0 ? bytes[i] : static_cast<uint32_t>(bytes[i]) << 8;
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(~sum);
  }
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stop_ || !frames_.empty(); });
      if (stop_) return;
      std::vector<uint8_t> frame = std::move(frames_.front());
      frames_.pop_front();
      lock.unlock();
      answer(std::move(frame));
      lock.lock();
    }
  }
  void answer(std::vector<uint8_t> frame) {
    const uint8_t us[6] = {2, 0, 0, 0, 0, 1};
    if (frame.size() < 42) return;
    const unsigned type = frame[12] << 8 | frame[13];
    if (type == ETHERTYPE_ARP && frame[21] == ARPOP_REQUEST && frame[41] == 1) {  // who has 10.0.0.1?
      ++arps;
      frame[21] = ARPOP_REPLY;
      std::memcpy(&frame[32], &frame[22], 10);
      std::memcpy(&frame[22], us, 6);
      const uint8_t address[4] = {10, 0, 0, 1};
      std::memcpy(&frame[28], address, 4);
    } else if (type == ETHERTYPE_IP && frame[33] == 1) {
      iphdr ip{};
      std::memcpy(&ip, &frame[14], sizeof ip);
      std::swap(ip.saddr, ip.daddr);
      std::memcpy(&frame[14], &ip, sizeof ip);
      if (ip.protocol == IPPROTO_ICMP && frame[34] == ICMP_ECHOREPLY) {
        ++pongs;
        return;
      }
      if (ip.protocol == IPPROTO_ICMP && frame[34] == ICMP_ECHO) {
        frame[34] = ICMP_ECHOREPLY;
        frame[36] = frame[37] = 0;
        const uint16_t sum = checksum(&frame[34], ntohs(ip.tot_len) - 20U);
        std::memcpy(&frame[36], &sum, 2);
      } else if (ip.protocol == IPPROTO_UDP && (frame[36] << 8 | frame[37]) == 7) {
        std::swap_ranges(&frame[34], &frame[36], &frame[36]);
        frame[40] = frame[41] = 0;  // no checksum
      } else {
        return;
      }
    } else {
      return;
    }
    std::memcpy(&frame[0], &frame[6], 6);
    std::memcpy(&frame[6], us, 6);
    send(frame);
  }

  LibraryKernel& kernel_;
  int number_ = -1;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<uint8_t>> frames_;
  bool stop_ = false;
  std::thread thread_;
};

class Network : public BootedKernel {
 protected:
  void SetUp() override {
    BootedKernel::SetUp();
    peer_ = std::make_unique<Peer>(kernel());
    peer_->start();
    const auto fd = must(SYS_socket, AF_INET, SOCK_DGRAM, 0);
    const auto address = [](const char* text) {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_addr.s_addr = inet_addr(text);
      return to;
    };
    ifreq request{};
    std::strcpy(request.ifr_name, "eth0");
    sockaddr_in ip = address("10.0.0.2");
    std::memcpy(&request.ifr_addr, &ip, sizeof ip);
    must(SYS_ioctl, fd, SIOCSIFADDR, &request);
    ip = address("255.255.255.0");
    std::memcpy(&request.ifr_netmask, &ip, sizeof ip);
    must(SYS_ioctl, fd, SIOCSIFNETMASK, &request);
    request.ifr_flags = IFF_UP;
    must(SYS_ioctl, fd, SIOCSIFFLAGS, &request);
    must(SYS_close, fd);
  }
  void TearDown() override {
    // The device first, so that no frame comes to a peer that is gone.
    if (kernel_) kernel_->halt();
    peer_.reset();
  }
  static sockaddr_in peer(uint16_t port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = inet_addr("10.0.0.1");
    return to;
  }
  std::unique_ptr<Peer> peer_;
};

TEST_F(Network, PingsBothWays) {
  const auto fd = must(SYS_socket, AF_INET, SOCK_RAW, IPPROTO_ICMP);
  for (uint16_t i = 1; i <= 200; ++i) {
    uint8_t packet[64] = {ICMP_ECHO, 0, 0, 0, 0, 1, 0, static_cast<uint8_t>(i)};
    uint32_t sum = 0;
    for (size_t at = 0; at < sizeof packet; ++at)
      sum += at % 2 == 0 ? packet[at] : static_cast<uint32_t>(packet[at]) << 8;
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    const auto check = static_cast<uint16_t>(~sum);
    std::memcpy(packet + 2, &check, 2);
    const sockaddr_in to = peer(0);
    ASSERT_EQ(must(SYS_sendto, fd, packet, sizeof packet, 0, &to, sizeof to), 64);
    uint8_t back[128] = {};
    do {
      ASSERT_GE(must(SYS_recvfrom, fd, back, sizeof back, 0, nullptr, nullptr), 84);
    } while (back[20] != ICMP_ECHOREPLY);
    ASSERT_EQ(back[27], static_cast<uint8_t>(i));
  }
  EXPECT_GT(peer_->arps, 0U);
  for (uint16_t i = 0; i < 200; ++i) {
    peer_->ping(i, i % 3 == 0 ? 1400 : 56);
    while (peer_->pongs <= i) std::this_thread::yield();
  }
  EXPECT_EQ(peer_->pongs, 200U);
}

TEST_F(Network, CarriesDatagramsOfManyTasks) {
  std::vector<std::thread> threads;
  std::vector<KernelTask> tasks;
  for (unsigned i = 0; i < 8; ++i) tasks.push_back(child());
  for (unsigned i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      KernelTask& mine = tasks[i];
      const auto fd = must(mine, SYS_socket, AF_INET, SOCK_DGRAM, 0);
      const sockaddr_in to = peer(7);
      must(mine, SYS_connect, fd, &to, sizeof to);
      for (unsigned n = 0; n < 300; ++n) {
        std::vector<char> out(1 + (n * 37) % 1400, static_cast<char>(i + n));
        std::vector<char> back(2000);
        // A datagram may be lost when a queue is full: sent again.
        int64_t got = 0;
        do {
          ASSERT_EQ(must(mine, SYS_sendto, fd, out.data(), out.size(), 0, nullptr, 0),
                    static_cast<int64_t>(out.size()));
          pollfd wait{static_cast<int>(fd), POLLIN, 0};
          if (mine.call(SYS_poll, &wait, 1, 1000) == 1)
            got = must(mine, SYS_recvfrom, fd, back.data(), back.size(), 0, nullptr, nullptr);
        } while (got == 0);
        if (got == static_cast<int64_t>(out.size())) {
          ASSERT_EQ(std::memcmp(out.data(), back.data(), out.size()), 0);
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

using Terminal = BootedKernel;

TEST_F(Terminal, EchoesAndGivesWholeLines) {
  std::mutex mutex;
  std::condition_variable printed;
  std::string text;
  struct Sink {
    std::mutex& mutex;
    std::condition_variable& printed;
    std::string& text;
  } sink{mutex, printed, text};
  char error[256];
  const int console = sandstone_kernel_add_console(
      kernel().get(),
      [](void* context, const void* data, size_t size) {
        auto& to = *static_cast<Sink*>(context);
        const std::lock_guard lock(to.mutex);
        to.text.append(static_cast<const char*>(data), size);
        to.printed.notify_all();
      },
      &sink, error, sizeof error);
  ASSERT_GE(console, 0) << error;
  const auto wait_for = [&](const char* what) {
    std::unique_lock lock(mutex);
    return printed.wait_for(lock, std::chrono::seconds(30),
                            [&] { return text.find(what) != std::string::npos; });
  };
  ASSERT_EQ(kernel().mount_basics(), 0);
  const auto fd = must(SYS_open, "/dev/hvc0", O_RDWR | O_NOCTTY);
  must(SYS_write, fd, "login: ", 7);
  EXPECT_TRUE(wait_for("login: ")) << text;
  ASSERT_EQ(sandstone_kernel_type(kernel().get(), console, "roox\x7ft\r", 7),
            7);  // a line is edited, and ends with Enter
  char line[16] = {};
  EXPECT_EQ(must(SYS_read, fd, line, sizeof line), 5);
  EXPECT_STREQ(line, "root\n");
  EXPECT_TRUE(wait_for("t\r\n")) << text;  // the echo, with what took the x away
  EXPECT_EQ(sandstone_kernel_type(kernel().get(), 31, "x", 1), -ENODEV);
  must(SYS_close, fd);
  // What it prints to ends before the kernel does.
  EXPECT_EQ(sandstone_kernel_remove_device(kernel().get(), console), 0);
}

}  // namespace
}  // namespace sandstone
