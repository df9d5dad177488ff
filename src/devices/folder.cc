#include "devices/folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/virtio_ids.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace sandstone::devices {
namespace {

// FORGET and INTERRUPT come by the first, all else by the second.
constexpr std::array<uint16_t, 2> kQueues{64, 256};
constexpr unsigned kRequestsAtOnce = 64;

}  // namespace

Result<std::unique_ptr<Folder>> Folder::open(const FolderOptions& options) {
  if (options.tag.empty() || options.tag.size() > sizeof(Config::tag))
    return Error{options.path, fmt::format("'{}' is no tag for a folder", options.tag), "1 to 36 bytes"};
  fs::Options server;
  server.root = Fd(::open(options.path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!server.root.valid()) return system_error(options.path, "cannot open the folder", errno);
  server.read_only = options.read_only;
  server.direct_io = options.direct_io;
  server.cache = options.cache;
  if (::geteuid() == 0 && !options.squash) {
    server.uids = server.gids = {{.guest = 0, .host = 0, .count = UINT32_MAX}};
  } else {
    server.squash = options.squash.value_or(fs::Squash{});  // everything is ours, and ours is root's inside
  }
  auto made = fs::FuseServer::create(std::move(server));
  if (!made) return made.error();
  return std::unique_ptr<Folder>(new Folder(std::move(*made), options.tag));
}

Folder::Folder(std::unique_ptr<fs::FuseServer> server, const std::string& tag) : server_(std::move(server)) {
  std::copy(tag.begin(), tag.end(), config_.tag.begin());
}

uint32_t Folder::id() const {
  return VIRTIO_ID_FS;
}
std::span<const uint16_t> Folder::queue_sizes() const {
  return kQueues;
}

void Folder::read_config(uint32_t offset, std::span<std::byte> out) const {
  copy_config(std::as_bytes(std::span(&config_, 1)), offset, out);
}

bool Folder::process(unsigned /*index*/, Virtqueue& queue) {
  return drain(queue, chain_, kRequestsAtOnce, [&](Chain& chain) {
    return static_cast<uint32_t>(server_->handle(chain.readable(), chain.writable()));
  });
}

void Folder::reset() {
  server_->reset();
}

}  // namespace sandstone::devices
