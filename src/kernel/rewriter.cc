#include "kernel/rewriter.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "kernel/helper.h"
#include "libkernel/futex.h"
#include "libkernel/huge_pages.h"
#include "libkernel/quiet_thread.h"

namespace sandstone::kernel {
namespace {

using libkernel::futex_wait;
using libkernel::futex_wake;
using libkernel::shared_word;
using runtime::Patch;
using runtime::PatchKey;
using runtime::PatchMove;
using runtime::PatchTable;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMostFile = 256 << 20;

uint64_t page_up(uint64_t value) {
  return (value + kPage - 1) / kPage * kPage;
}

PatchTable& table() {
  return *reinterpret_cast<PatchTable*>(runtime::kPatches);  // NOLINT: a fixed address
}

// A huge page at a time: what guests map of it, page by page, is then one thing to the host, which maps and unmaps 16 of
// its pages for little more than one.
bool grow(int fd, uint64_t& size, uint64_t wanted) {
  if (wanted <= size) return true;
  const uint64_t end = (wanted + LIB_HUGE_PAGE - 1) / LIB_HUGE_PAGE * LIB_HUGE_PAGE;
  if (::ftruncate(fd, static_cast<off_t>(end)) != 0) return false;
  libkernel::collapse_file(fd, size, end - size);
  size = end;
  return true;
}

class Rewriter {
 public:
  Rewriter(Task task, int fd, Entry entry, Ahead ahead)
      : task_(task), fd_(fd), entry_(entry), ahead_(std::move(ahead)) {}

  [[noreturn]] void run() {
    for (uint32_t answered = 0;; ++answered) {
      while (shared_word(table().asked) == answered) futex_wait(table().asked, answered);
      answer();
      shared_word(table().answered).fetch_add(1);
      futex_wake(table().answered, INT32_MAX);
    }
  }

 private:
  void answer() {
    const uint32_t count = shared_word(table().count);
    if (count >= runtime::kMostPatches) return;
    // The guests can write to the table: what is checked and used is a copy.
    Patch patch{};
    patch.key = table().wanted;
    make(patch);
    table().patches[count] = patch;
    shared_word(table().count) = count + 1;
  }

  // The guest's own descriptor, taken over as process 1 may. It need not be readable: the file is.
  int64_t open_guests(int32_t pid, int32_t fd) {
    const int64_t process = task_.call(SYS_pidfd_open, pid, 0);
    if (process < 0) return process;
    const int64_t file = task_.call(SYS_pidfd_getfd, process, fd, 0);
    task_.call(SYS_close, process);
    return file;
  }

  bool read_part(int64_t file, std::span<std::byte> to, uint64_t offset) {
    for (uint64_t at = 0; at < to.size();) {
      const int64_t got = task_.call(SYS_pread64, file, to.data() + at, to.size() - at, offset + at);
      if (got <= 0) return false;
      at += static_cast<uint64_t>(got);
    }
    return true;
  }

  void make(Patch& patch) {
    const PatchKey& key = patch.key;
    if (key.size > kMostFile || key.length > kMostFile || key.offset >= key.size || key.offset % kPage != 0 ||
        key.length % kPage != 0)
      return;
    const int64_t fd = open_guests(table().pid, table().fd);
    if (fd < 0) return;
    const Part part{key.offset, key.length, key.distance};
    const Ahead::Known* known = ahead_.find(key.size, part);
    if (known != nullptr && has_content(fd, known->file.all()))
      publish(patch, known->file.all(), known->rewritten);
    else
      make_now(patch, fd, part);
    task_.call(SYS_close, fd);
  }

  bool has_content(int64_t fd, std::span<const std::byte> wanted) {
    std::array<std::byte, 1 << 16> piece;  // NOLINT: read into
    for (size_t at = 0; at < wanted.size(); at += piece.size()) {
      const std::span got = std::span(piece).first(std::min(piece.size(), wanted.size() - at));
      if (!read_part(fd, got, at) || std::memcmp(got.data(), wanted.data() + at, got.size()) != 0)
        return false;
    }
    return true;
  }

  void make_now(Patch& patch, int64_t fd, const Part& part) {
    Bytes file(patch.key.size);
    const uint64_t end = std::min(file.all().size(), part.offset + part.length);
    const std::span<std::byte> text = file.all().subspan(part.offset, end - part.offset);
    // The rest is of interest only where there is something to patch.
    if (read_part(fd, text, part.offset) && rewrite::has_calls(text) &&
        read_part(fd, file.all().first(part.offset), 0) && read_part(fd, file.all().subspan(end), end))
      publish(patch, file.all(), rewrite_part(file.all(), part, entry_));
  }

  void publish(Patch& patch, std::span<const std::byte> file, const Rewritten& rewritten) {
    const rewrite::Result& made = rewritten.made;
    if (made.trampolines.empty()) return;
    const std::span text =
        file.subspan(patch.key.offset, std::min(file.size() - patch.key.offset, patch.key.length));
    const auto skip = static_cast<int32_t>(rewritten.skip);
    std::vector<PatchMove> moves;
    moves.reserve(made.moved.size() + made.displaced.size());
    for (const auto& moved : made.moved) moves.push_back({moved.now + skip, moved.original + skip});
    for (const auto& moved : made.displaced) moves.push_back({moved.original + skip, moved.now + skip});
    patch.at = end_;
    patch.trampolines = end_ + patch.key.length;
    patch.trampolines_size = page_up(made.trampolines.size());
    patch.tables_size = page_up(moves.size() * sizeof(PatchMove) + 1);
    patch.moved = static_cast<uint32_t>(made.moved.size());
    patch.displaced = static_cast<uint32_t>(made.displaced.size());
    const uint64_t tail = rewritten.skip + made.text.size();
    const uint64_t end = patch.trampolines + patch.trampolines_size + patch.tables_size;
    const bool written =
        grow(fd_, size_, end) && write_at(text.data(), rewritten.skip, patch.at) &&
        write_at(made.text.data(), made.text.size(), patch.at + rewritten.skip) &&
        write_at(text.data() + tail, text.size() - tail, patch.at + tail) &&
        write_at(made.trampolines.data(), made.trampolines.size(), patch.trampolines) &&
        write_at(moves.data(), moves.size() * sizeof(PatchMove), patch.trampolines + patch.trampolines_size);
    if (!written) {
      patch.trampolines_size = 0;
      return;
    }
    end_ = end;
  }

  [[nodiscard]] bool write_at(const void* data, size_t size, uint64_t at) const {
    return ::pwrite(fd_, data, size, static_cast<off_t>(at)) == static_cast<ssize_t>(size);
  }

  Task task_;
  int fd_;
  Entry entry_;
  Ahead ahead_;
  uint64_t end_ = 0, size_ = LIB_HUGE_PAGE;
};

}  // namespace

Result<Fd> make_patch_table(bool used) {
  Fd file(::memfd_create("rewritten", MFD_CLOEXEC));
  if (!file.valid()) return system_error("rewriter", "memfd_create", errno);
  uint64_t now = 0;
  if (used && !grow(file.get(), now, LIB_HUGE_PAGE)) return system_error("rewriter", "ftruncate", errno);
  const uint64_t size = page_up(sizeof(PatchTable));
  void* at = ::mmap(&table(), size, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
  if (at != &table()) return system_error("rewriter", "cannot map its table", errno);
  return file;
}

void start_rewriter(Task& init, int patches_fd, Entry entry, Ahead ahead) {
  const Task task = helper_of(init);
  if (task.valid())
    libkernel::quiet_thread([task, patches_fd, entry, ahead = std::move(ahead)]() mutable {
      Rewriter(task, patches_fd, entry, std::move(ahead)).run();
    }).detach();
}

}  // namespace sandstone::kernel
