#include "devices/image.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "devices/overlay.h"

namespace sandstone::devices {
namespace {

using Mode = ImageOptions::Mode;

// Reads and, if it may, writes the image itself.
class DirectStore final : public Store {
 public:
  DirectStore(Fd image, uint64_t size, bool writable)
      : image_(std::move(image)), size_(size), writable_(writable) {}

  [[nodiscard]] uint64_t size() const override { return size_; }
  [[nodiscard]] bool writable() const override { return writable_; }
  int read(uint64_t offset, std::span<const iovec> to) override {
    PieceCursor cursor(to);
    return read_at(image_.get(), offset, total_bytes(to), cursor);
  }
  int write(uint64_t offset, std::span<const iovec> from) override {
    if (!writable_) return EROFS;
    PieceCursor cursor(from);
    return write_at(image_.get(), offset, total_bytes(from), cursor);
  }
  int discard(uint64_t offset, uint64_t length) override {
    if (!writable_) return EROFS;
    const int error = change(FALLOC_FL_PUNCH_HOLE, offset, length);
    return error == EOPNOTSUPP ? 0 : error;  // a hint, which this file system does not take
  }
  int zero(uint64_t offset, uint64_t length, bool may_unmap) override {
    if (!writable_) return EROFS;
    const int error = change(may_unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE, offset, length);
    return error == EOPNOTSUPP ? write_zeros_at(image_.get(), offset, length) : error;
  }
  int flush() override {
    if (!writable_) return 0;
    return ::fdatasync(image_.get()) == 0 ? 0 : errno;
  }

 private:
  int change(int how, uint64_t offset, uint64_t length) {
    int result = 0;
    do {
      result = ::fallocate(image_.get(), how | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                           static_cast<off_t>(length));
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
  }

  Fd image_;
  uint64_t size_;
  bool writable_;
};

// Whose lock is in the way of ours, and what to do about it.
Error in_use(int image, const std::string& name, struct flock wanted) {
  const bool for_writing = wanted.l_type == F_WRLCK;
  if (::fcntl(image, F_OFD_GETLK, &wanted) != 0 || wanted.l_type == F_UNLCK)
    return {name, "is in use", "try again"};
  std::string what =
      wanted.l_type == F_WRLCK ? "is being written to by another run" : "is being read by another run";
  // An OFD lock belongs to no process; one of the older kind does.
  if (wanted.l_pid > 0) what += fmt::format(", process {}", wanted.l_pid);
  return {name, what,
          for_writing && wanted.l_type == F_RDLCK
              ? "wait until it ends, or work on a private copy-on-write overlay"
              : "wait until it ends, or copy the image"};
}

Result<void> lock_image(int image, const std::string& name, Mode mode) {
  struct flock lock{};
  lock.l_type = mode == Mode::persistent ? F_WRLCK : F_RDLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(image, F_OFD_SETLK, &lock) == 0) return {};
  const int error = errno;
  if (error == EAGAIN || error == EACCES) return in_use(image, name, lock);
  if (error == EBADF) return Error{name, "is not open for what the disk does with it", {}};
  return system_error(name, "cannot lock the image", error, "keep it on a file system that has locks");
}

// A file without a name in `folder`, or memory.
Result<Fd> make_overlay_file(std::string folder) {
  if (folder.empty()) {
    const char* configured = std::getenv("TMPDIR");
    folder = configured != nullptr && *configured != '\0' ? configured : "/var/tmp";
  }
  Fd file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600));
  if (!file.valid()) {  // some file systems have no such files
    std::string name = folder + "/sandstone-XXXXXX";
    file = Fd(::mkostemp(name.data(), O_CLOEXEC));
    if (file.valid()) ::unlink(name.c_str());
  }
  if (!file.valid()) file = Fd(::memfd_create("sandstone-overlay", MFD_CLOEXEC));
  if (!file.valid()) return system_error(folder, "cannot make a file for the disk's changes", errno);
  return file;
}

}  // namespace

Result<std::unique_ptr<Store>> open_image(const std::string& path, const ImageOptions& options) {
  // Not blocking: the name may be a FIFO's.
  const int access = options.mode == Mode::persistent ? O_RDWR : O_RDONLY;
  Fd image(::open(path.c_str(), access | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!image.valid())
    return system_error(
        path, access == O_RDWR ? "cannot open the image for writing" : "cannot open the image", errno);
  return open_image(std::move(image), path, options);
}

Result<std::unique_ptr<Store>> open_image(Fd image, const std::string& name, const ImageOptions& options) {
  struct stat status{};
  if (::fstat(image.get(), &status) != 0) return system_error(name, "cannot look at the image", errno);
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
    return Error{name, "is neither a file nor a block device", "name a raw disk image"};
  if (auto locked = lock_image(image.get(), name, options.mode); !locked) return locked.error();
  const off_t end = ::lseek(image.get(), 0, SEEK_END);  // st_size of a block device is 0
  if (end < 0) return system_error(name, "cannot find the image's size", errno);
  if (end == 0 || end % 512 != 0)
    return Error{name, fmt::format("has {} bytes, which is no whole number of 512-byte sectors", end),
                 "name a raw disk image, or round its size up (truncate -s %512)"};
  const auto size = static_cast<uint64_t>(end);
  if (options.mode != Mode::overlay)
    return std::unique_ptr<Store>(
        std::make_unique<DirectStore>(std::move(image), size, options.mode == Mode::persistent));
  Result<Fd> changes = make_overlay_file(options.overlay_folder);
  if (!changes) return changes.error();
  return OverlayStore::create(std::move(image), size, std::move(*changes), name);
}

}  // namespace sandstone::devices
