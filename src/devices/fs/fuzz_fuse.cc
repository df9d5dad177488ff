// libFuzzer: any bytes as a sequence of requests to one server over a small folder. Whatever a guest sends,
// nothing outside of the folder may appear in an answer or be changed, and what is held stays within its
// bounds.
//
// A request is an opcode, a node, flags, and a body, which is either bytes as they come or made of numbers
// below 256 and of names that are there: nodes and handles are given out from 1 on, so that such a body soon
// gets somewhere.
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "devices/fs/fuse_server.h"

using namespace sandstone;

namespace {

constexpr std::string_view kSecret = "a secret that no answer may have";

void must(bool condition) {
  if (!condition) std::abort();
}

class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  [[nodiscard]] bool empty() const { return size_ == 0; }
  uint8_t one() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::string some(size_t wanted) {
    const size_t size = std::min(wanted, size_);
    std::string out(reinterpret_cast<const char*>(data_), size);
    data_ += size;
    size_ -= size;
    return out;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

struct Folder {
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "sandstone-fuzz-XXXXXX";
    must(::mkdtemp(pattern.data()) != nullptr);
    outside = pattern;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(outside, ignored);
  }
  // As it is at the start of each input.
  void fill() const {
    const auto share = outside / "share";
    std::filesystem::remove_all(share);
    std::filesystem::create_directories(share / "d" / "e");
    std::ofstream(share / "a") << "content";
    std::ofstream(share / "d" / "b") << "more";
    std::ofstream(outside / "secret") << kSecret;
    std::filesystem::create_symlink("../secret", share / "s");
    std::filesystem::create_symlink("..", share / "u");
    must(::mkfifo((share / "f").c_str(), 0666) == 0);
  }
  // The secret is as it was, and nothing has appeared beside the folder.
  void check() const {
    std::ifstream file(outside / "secret");
    must(std::string(std::istreambuf_iterator<char>(file), {}) == kSecret);
    size_t names = 0;
    for (const auto& entry : std::filesystem::directory_iterator(outside)) names += entry.exists() ? 1 : 0;
    must(names == 2);
  }
  std::filesystem::path outside;
};

std::vector<iovec> cut(std::string& bytes, size_t piece) {
  std::vector<iovec> pieces;
  for (size_t at = 0; at < bytes.size(); at += piece)
    pieces.push_back({bytes.data() + at, std::min(piece, bytes.size() - at)});
  return pieces;
}

void send(fs::FuseServer& server, std::string request, size_t room, size_t piece) {
  std::string reply(room, '\0');
  const size_t size = server.handle(cut(request, piece), cut(reply, piece));
  must(size <= room && (size == 0 || size >= sizeof(fuse_out_header)));
  must(reply.find(kSecret) == std::string::npos);
  if (size != 0) {
    fuse_out_header header{};
    std::memcpy(&header, reply.data(), sizeof header);
    must(header.len == size && header.error <= 0 && header.error > -4096);
  }
}

std::string header(uint32_t opcode, uint64_t node, size_t body) {
  fuse_in_header out{};
  out.len = static_cast<uint32_t>(sizeof out + body);
  out.opcode = opcode;
  out.unique = 1;
  out.nodeid = node;
  return {reinterpret_cast<const char*>(&out), sizeof out};
}

std::string likely_body(Bytes& bytes) {
  constexpr const char* kNames[] = {"a", "d", "b", "e", "s", "u", "f", "new", "user.x", "..", "u/x", "/"};
  const uint8_t shape = bytes.one();
  std::string body;
  for (int words = shape & 31; words > 0; --words) {
    const uint32_t word = bytes.one();
    body.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  for (int names = shape >> 5 & 3; names > 0; --names) {
    body += kNames[bytes.one() % std::size(kNames)];
    body += '\0';
  }
  if ((shape & 0x80) != 0) body += bytes.some(16);
  return body;
}

fs::Options bounded(bool read_only, bool squash) {
  fs::Options options;
  options.read_only = read_only;
  if (squash) options.squash = fs::Squash{0, 0};
  if (!squash) options.uids = options.gids = {{0, 0, 1000}};
  options.max_nodes = 16;
  options.max_node_descriptors = 4;
  options.max_handles = 8;
  return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Folder folder = [] {
    // A guest may fill a disk that it may write to; here it shall not.
    const rlimit small{1U << 20, 1U << 20};
    must(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    ::signal(SIGXFSZ, SIG_IGN);
    return Folder();
  }();
  folder.fill();
  Bytes bytes(data, size);
  const uint8_t kind = bytes.one();
  fs::Options options = bounded((kind & 1) != 0, (kind & 2) != 0);
  options.root = Fd(::open((folder.outside / "share").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  auto made = fs::FuseServer::create(std::move(options));
  must(made.ok());
  fs::FuseServer& server = **made;
  fuse_init_in init{};
  init.major = 7;
  init.minor = 38;
  send(server,
       header(FUSE_INIT, 0, sizeof init) + std::string(reinterpret_cast<const char*>(&init), sizeof init),
       4096, 4096);
  // A folder and a file that are known and open, for the inputs to start from.
  for (const char* name : {"a", "d", "s", "f"})
    send(server, header(FUSE_LOOKUP, 1, 2) + std::string(name, 2), 4096, 64);
  const uint32_t read_write[2] = {(kind & 1) != 0 ? uint32_t{O_RDONLY} : uint32_t{O_RDWR}, 0};
  const std::string open(reinterpret_cast<const char*>(read_write), sizeof read_write);
  send(server, header(FUSE_OPEN, 2, 8) + open, 4096, 64);
  send(server, header(FUSE_OPENDIR, 1, 8) + open, 4096, 64);

  for (int requests = 0; !bytes.empty() && requests < 64; ++requests) {
    const uint8_t opcode = bytes.one() % 56;
    const uint8_t node = bytes.one() % 24;
    const uint8_t flags = bytes.one();
    const std::string body = (flags & 0x80) != 0 ? likely_body(bytes) : bytes.some(bytes.one());
    std::string request = header(opcode, node, body.size()) + body;
    if ((flags & 1) != 0) request[bytes.one() % 40] = static_cast<char>(bytes.one());
    constexpr size_t kRooms[] = {4096, 200, 64, 15};
    constexpr size_t kPieces[] = {4096, 64, 7, 1};
    send(server, request, kRooms[flags >> 1 & 3], kPieces[flags >> 3 & 3]);
    const auto usage = server.usage();
    must(usage.nodes <= 16 && usage.node_descriptors <= 5 && usage.handles <= 8);
  }
  folder.check();
  return 0;
}
