#include "kernel/rewritten.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/fd.h"
#include "kernel/filter.h"
#include "libkernel/quiet_thread.h"
#include "rewrite/elf.h"

namespace sandstone::kernel {
namespace {

constexpr uint64_t kPage = 4096;
constexpr int64_t kDistance =
    -(512 << 20);  // as src/runtime/patch.cc has it for all that is mapped above 1 GiB
constexpr off_t kMostFile = 16 << 20;

// Where distributions have them. Of each row the first that is there.
constexpr const char* kLikely[][3] = {
    {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1"},
    {"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6"},
};

Bytes read_file(const char* path) {
  const Fd fd(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0 ||
      status.st_size > kMostFile)
    return {};
  Bytes file(static_cast<size_t>(status.st_size));
  for (size_t at = 0; at < file.all().size();) {
    const ssize_t got = ::read(fd.get(), file.all().data() + at, file.all().size() - at);
    if (got <= 0) return {};
    at += static_cast<size_t>(got);
  }
  return file;
}

Bytes first_of(std::span<const char* const> paths) {
  for (const char* path : paths) {
    Bytes file = read_file(path);
    if (!file.all().empty()) return file;
  }
  return {};
}

}  // namespace

Rewritten rewrite_part(std::span<const std::byte> file, const Part& part, Entry entry) {
  for (const rewrite::CodeSegment& segment : rewrite::code_segments(file)) {
    if (segment.file_offset < part.offset || segment.file_offset - part.offset >= part.length) continue;
    const uint64_t skip = segment.file_offset - part.offset;
    const uint64_t size = std::min(segment.size, part.length - skip);
    return {skip, rewrite::rewrite({.text = file.subspan(segment.file_offset, size),
                                    .address = segment.address,
                                    .trampolines = part.distance - static_cast<int64_t>(skip),
                                    .capacity = kMostTrampolines,
                                    .entry = entry.address,
                                    .entry_step = entry.step,
                                    .starts = segment.starts,
                                    .landings = segment.landings})};
  }
  return {};
}

std::vector<Ahead::Known> Ahead::rewrite_likely(Entry entry) {
  std::vector<Known> known;
  for (const auto& paths : kLikely) known.push_back({.file = first_of(paths)});
  if (!confine(domain_filter(), Confine::this_thread)) return {};
  for (Known& one : known)
    for (const rewrite::CodeSegment& segment : rewrite::code_segments(one.file.all())) {
      const uint64_t begin = segment.file_offset / kPage * kPage;
      const uint64_t end = (segment.file_offset + segment.size + kPage - 1) / kPage * kPage;
      one.part = {begin, end - begin, kDistance};
      one.rewritten = rewrite_part(one.file.all(), one.part, entry);
      break;  // none of them has two
    }
  return known;
}

Ahead::Ahead(Entry entry) {
  std::packaged_task<std::vector<Known>()> task([entry] { return rewrite_likely(entry); });
  coming_ = task.get_future();
  thread_ = libkernel::quiet_thread(std::move(task));
}

void Ahead::finish() {
  if (!thread_.joinable()) return;
  thread_.join();
  known_ = coming_.get();
}

const Ahead::Known* Ahead::find(uint64_t size, const Part& part) const {
  for (const Known& known : known_)
    if (known.part == part && known.file.all().size() == size) return &known;
  return nullptr;
}

}  // namespace sandstone::kernel
