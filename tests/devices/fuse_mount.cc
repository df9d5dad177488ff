// fuse_mount [OPTION...] FOLDER POINT CMD...: serves FOLDER with the server behind the virtio-fs device to
// the kernel that we run on, mounted at POINT in a private mount namespace, and runs CMD there. The protocol
// is the device's, so real programs meet the real client without a virtual machine. Exits with CMD's status.
//
//   --rw             writable
//   --cache POLICY   never, auto (default) or always
//   --squash ID      all files appear as the user and group ID
//   --held N         at most N nodes held open
//   --no-cross       nothing that is mounted inside FOLDER
//   --stats          at the end, say on stderr what was held at most
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "devices/fs/fuse_server.h"

using namespace sandstone;

namespace {

constexpr size_t kBuffer = (1U << 20) + 8192;
constexpr int kWorkers = 4;

[[noreturn]] void fail(const std::string& what) {
  std::perror(("fuse_mount: " + what).c_str());
  std::_Exit(125);
}

struct Peak {
  std::atomic<size_t> nodes = 0;
  std::atomic<size_t> held = 0;
};

void serve(int device, fs::FuseServer& server, Peak& peak) {
  std::vector<char> in(kBuffer);
  std::vector<char> out(kBuffer);
  for (;;) {
    const ssize_t got = ::read(device, in.data(), in.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) continue;
    if (got <= 0) return;  // unmounted
    // Cut as a virtqueue would: the header apart from the rest, and page by page.
    std::vector<iovec> request{{in.data(), std::min<size_t>(40, static_cast<size_t>(got))}};
    if (got > 40) request.push_back({in.data() + 40, static_cast<size_t>(got) - 40});
    std::vector<iovec> reply{{out.data(), 16}};
    for (size_t at = 16; at < out.size(); at += 4096)
      reply.push_back({out.data() + at, std::min<size_t>(4096, out.size() - at)});
    const size_t size = server.handle(request, reply);
    const auto usage = server.usage();
    if (usage.nodes > peak.nodes) peak.nodes = usage.nodes;
    if (usage.node_descriptors > peak.held) peak.held = usage.node_descriptors;
    // ENOENT: whoever asked was interrupted.
    if (size != 0 && ::write(device, out.data(), size) < 0 && errno != ENOENT && errno != ENODEV)
      fail("reply");
  }
}

}  // namespace

int main(int argc, char** argv) {
  fs::Options options;
  bool stats = false;
  options.uids = options.gids = {{0, 0, 65534}};
  int i = 1;
  for (; i < argc && argv[i][0] == '-'; ++i) {
    const std::string_view option = argv[i];
    if (option == "--rw") options.read_only = false;
    if (option == "--no-cross") options.cross_mounts = false;
    if (option == "--stats") stats = true;
    if (option == "--held") options.max_node_descriptors = std::strtoul(argv[++i], nullptr, 10);
    if (option == "--squash") {
      const auto id = static_cast<uint32_t>(std::strtoul(argv[++i], nullptr, 10));
      options.squash = fs::Squash{id, id};
      options.uids.clear();
      options.gids.clear();
    }
    if (option == "--cache") {
      const std::string_view policy = argv[++i];
      options.cache = policy == "never"    ? fs::CachePolicy::never
                      : policy == "always" ? fs::CachePolicy::always
                                           : fs::CachePolicy::automatic;
    }
  }
  if (argc - i < 3) return std::fputs("usage: fuse_mount [OPTION...] FOLDER POINT CMD...\n", stderr), 125;
  const char* point = argv[i + 1];
  const Fd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (!device.valid()) fail("/dev/fuse");
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    fail("unshare");
  // Now, not before: what is mounted inside goes away with the namespace that it is mounted in.
  options.root = Fd(::open(argv[i], O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!options.root.valid()) fail(argv[i]);
  auto server = fs::FuseServer::create(std::move(options));
  if (!server) return std::fprintf(stderr, "fuse_mount: %s\n", server.error().line().c_str()), 125;

  const std::string how = "fd=" + std::to_string(device.get()) +
                          ",rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other";
  if (::mount("sandstone", point, "fuse", MS_NOSUID | MS_NODEV, how.c_str()) != 0) fail(point);
  Peak peak;
  std::vector<std::thread> workers;
  workers.reserve(kWorkers);
  for (int k = 0; k < kWorkers; ++k) workers.emplace_back([&] { serve(device.get(), **server, peak); });

  const pid_t child = ::fork();
  if (child == 0) {
    ::execvp(argv[i + 2], argv + i + 2);
    std::_Exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ::umount2(point, MNT_DETACH);
  for (std::thread& worker : workers) worker.join();
  if (stats)
    std::fprintf(stderr, "nodes at most %zu, held %zu; now %zu, handles %zu\n", peak.nodes.load(),
                 peak.held.load(), (*server)->usage().nodes, (*server)->usage().handles);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
