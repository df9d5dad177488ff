// A guest's kernel for tests: a temporary folder that a FuseServer serves, and requests to it byte by byte.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "devices/fs/fuse_server.h"

namespace sandstone::fs {

template <typename T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

inline std::string terminated(std::string_view name) {
  return std::string(name) + '\0';
}

inline std::string two_names(std::string_view first, std::string_view second) {
  return terminated(first) + terminated(second);
}

// `error` is the errno; -1: nothing was written at all.
struct Answer {
  int error = -1;
  std::string body;
  [[nodiscard]] bool ok() const { return error == 0; }
  template <typename T>
  [[nodiscard]] T as(size_t offset = 0) const {
    T value{};
    EXPECT_LE(offset + sizeof value, body.size()) << "error " << error;
    if (offset + sizeof value <= body.size()) std::memcpy(&value, body.data() + offset, sizeof value);
    return value;
  }
};

class Served {
 public:
  explicit Served(Options options = writable(), bool initialise = true) {
    std::string pattern = std::filesystem::temp_directory_path() / "sandstone-fs-XXXXXX";
    outside_ = ::mkdtemp(pattern.data());
    path_ = outside_ / "share";
    std::filesystem::create_directory(path_);
    std::ofstream(outside_ / "secret") << "secret";
    options.root = Fd(::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    auto made = FuseServer::create(std::move(options));
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().line());
    server_ = std::move(made).value();
    if (initialise) {
      EXPECT_TRUE(init().ok());
    }
  }
  ~Served() {
    std::error_code ignored;
    std::filesystem::remove_all(outside_, ignored);
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  static Options writable() {
    Options options;
    options.read_only = false;
    options.squash = Squash{0, 0};
    return options;
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] const std::filesystem::path& outside() const { return outside_; }  // the folder's parent
  FuseServer& server() { return *server_; }

  static std::string request(uint32_t opcode, uint64_t node, std::string_view body, uint32_t uid = 0,
                             uint32_t gid = 0) {
    fuse_in_header header{};
    header.len = static_cast<uint32_t>(sizeof header + body.size());
    header.opcode = opcode;
    header.unique = 42;
    header.nodeid = node;
    header.uid = uid;
    header.gid = gid;
    return bytes_of(header) + std::string(body);
  }

  // Sends bytes as they are; both sides are cut into pieces of `piece` bytes, and there is room for `room` in
  // all.
  Answer send(std::string bytes, size_t room = 1U << 16, size_t piece = 4096) {
    std::string out(room, '\xee');
    const size_t size = server_->handle(cut(bytes, piece), cut(out, piece));
    EXPECT_LE(size, room);
    for (size_t i = size; i < std::min(room, size + 64); ++i)
      EXPECT_EQ(out[i], '\xee') << "wrote more than it says";
    if (size == 0) return {};
    fuse_out_header header{};
    EXPECT_GE(size, sizeof header);
    std::memcpy(&header, out.data(), sizeof header);
    EXPECT_EQ(header.len, size);
    EXPECT_LE(header.error, 0);
    return {-header.error, out.substr(sizeof header, size - sizeof header)};
  }
  Answer call(uint32_t opcode, uint64_t node, std::string_view body, uint32_t uid = 0, uint32_t gid = 0) {
    return send(request(opcode, node, body, uid, gid));
  }

  Answer init(uint32_t major = 7, uint32_t minor = 37, uint32_t flags = UINT32_MAX) {
    fuse_init_in in{};
    in.major = major;
    in.minor = minor;
    in.max_readahead = 1U << 17;
    in.flags = flags;
    return call(FUSE_INIT, 0, bytes_of(in));
  }
  Answer lookup(std::string_view name, uint64_t folder = FUSE_ROOT_ID) {
    return call(FUSE_LOOKUP, folder, terminated(name));
  }
  uint64_t node(std::string_view name, uint64_t folder = FUSE_ROOT_ID) {
    return lookup(name, folder).as<fuse_entry_out>().nodeid;
  }
  Answer getattr(uint64_t node) { return call(FUSE_GETATTR, node, bytes_of(fuse_getattr_in{})); }
  Answer open(uint64_t node, uint32_t flags) {
    return call(FUSE_OPEN, node, bytes_of(fuse_open_in{flags, 0}));
  }
  Answer create(std::string_view name, uint32_t flags, uint32_t mode = 0644, uint64_t folder = FUSE_ROOT_ID,
                uint32_t uid = 0, uint32_t gid = 0) {
    return call(FUSE_CREATE, folder, bytes_of(fuse_create_in{flags, S_IFREG | mode, 0, 0}) + terminated(name),
                uid, gid);
  }
  Answer read(uint64_t node, uint64_t fh, uint64_t offset, uint32_t size) {
    fuse_read_in in{};
    in.fh = fh;
    in.offset = offset;
    in.size = size;
    return call(FUSE_READ, node, bytes_of(in));
  }
  Answer write(uint64_t node, uint64_t fh, uint64_t offset, std::string_view data, uint32_t flags = 0,
               uint32_t write_flags = 0) {
    fuse_write_in in{};
    in.fh = fh;
    in.offset = offset;
    in.size = static_cast<uint32_t>(data.size());
    in.flags = flags;
    in.write_flags = write_flags;
    return call(FUSE_WRITE, node, bytes_of(in) + std::string(data));
  }
  Answer setattr(uint64_t node, fuse_setattr_in in) { return call(FUSE_SETATTR, node, bytes_of(in)); }
  Answer forget(uint64_t node, uint64_t count) {
    return call(FUSE_FORGET, node, bytes_of(fuse_forget_in{count}));
  }

  static std::vector<iovec> cut(std::string& bytes, size_t piece) {
    std::vector<iovec> pieces;
    for (size_t at = 0; at < bytes.size(); at += piece)
      pieces.push_back({bytes.data() + at, std::min(piece, bytes.size() - at)});
    return pieces;
  }

 private:
  std::filesystem::path outside_;
  std::filesystem::path path_;
  std::unique_ptr<FuseServer> server_;
};

inline std::string content(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace sandstone::fs
