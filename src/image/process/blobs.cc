#include "image/process/blobs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/sys.h"
#include "image/process/tar_reader.h"

namespace sandstone::image {

std::string clean_path(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part != "..")
      parts.push_back(part);
    else if (parts.empty())
      return "..";
    else
      parts.pop_back();
  }
  return fmt::format("{}", fmt::join(parts, "/"));
}

Result<std::string> Blobs::text(const std::string& path) {
  constexpr uint64_t kMost = 4 << 20;
  auto range = open(path);
  if (!range) return range.error();
  if (range->size > kMost) return Error{path, "is too large to be JSON of an image", {}};
  std::string text(static_cast<size_t>(range->size), '\0');
  RangeSource source(*range);
  for (size_t at = 0; at < text.size();) {
    auto got = source.read(std::as_writable_bytes(std::span(text).subspan(at)));
    if (!got) return Error{path, got.error().what, got.error().remedy};
    if (*got == 0) break;
    at += *got;
  }
  return text;
}

bool FolderBlobs::has(const std::string& path) {
  return open(path).ok();
}

Result<FileRange> FolderBlobs::open(const std::string& path) {
  auto known = files_.find(path);
  if (known == files_.end()) {
    // A symbolic link may lead to another blob, but not out of the folder.
    const int fd = sys::openat2(folder_, path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY, 0,
                                RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
    if (fd < 0) return system_error(path, "cannot open", -fd, "the image is not whole: fetch it again");
    known = files_.emplace(path, Fd(fd)).first;
  }
  struct stat status{};
  if (::fstat(known->second.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return Error{path, "is no regular file", {}};
  return FileRange{known->second.get(), 0, static_cast<uint64_t>(status.st_size)};
}

Result<std::unique_ptr<ArchiveBlobs>> ArchiveBlobs::open_archive(FileRange archive, int scratch,
                                                                 uint64_t most) {
  auto packing = packing_of(archive);
  if (!packing) return packing.error();
  if (*packing != Packing::none) {
    auto unpacker = Unpacker::open(std::make_unique<RangeSource>(archive), *packing, most);
    if (!unpacker) return unpacker.error();
    const auto buffer = std::make_unique<std::byte[]>(SourceReader::kBuffer);
    for (;;) {
      auto got = (*unpacker)->read({buffer.get(), SourceReader::kBuffer});
      if (!got) return got.error();
      if (*got == 0) break;
      for (size_t done = 0; done < *got;) {
        const ssize_t put = ::write(scratch, buffer.get() + done, *got - done);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return system_error({}, "cannot unpack it beside the image", errno);
        done += static_cast<size_t>(put);
      }
    }
    archive = FileRange{scratch, 0, (*unpacker)->unpacked()};
  }
  std::unique_ptr<ArchiveBlobs> blobs(new ArchiveBlobs);
  if (auto found = blobs->find(archive); !found) return found.error();
  return blobs;
}

Result<void> ArchiveBlobs::find(FileRange archive) {
  constexpr size_t kMost = 100'000;  // files; an image has a few hundred at most
  RangeSource source(archive);
  auto reader = TarReader::open(source);
  if (!reader) return reader.error();
  for (;;) {
    auto more = (*reader)->next();
    if (!more) return more.error();
    if (!*more) return {};
    const std::string path = clean_path((*reader)->path());
    if (files_.size() + links_.size() >= kMost)
      return Error{path, fmt::format("is one of more than {} files", kMost), {}};
    if (!(*reader)->hard_link().empty()) {
      links_[path] = clean_path((*reader)->hard_link());
      continue;
    }
    auto node = (*reader)->node();
    if (!node) return node.error();
    if (S_ISLNK(node->mode)) {
      const size_t slash = path.rfind('/');
      links_[path] = clean_path(
          fmt::format("{}/{}", slash == std::string::npos ? "" : path.substr(0, slash), node->target));
    }
    if (!node->is_file()) continue;
    const uint64_t start = (*reader)->position();
    if (start > archive.size || node->size > archive.size - start)
      return Error{path, "the archive ends within it", "it is cut off: fetch the image again"};
    files_[path] = FileRange{archive.file, archive.offset + start, node->size};
    links_.erase(path);
  }
}

const FileRange* ArchiveBlobs::follow(std::string path) const {
  constexpr int kMostLinks = 40;
  for (int i = 0; i < kMostLinks; ++i) {
    if (const auto found = files_.find(path); found != files_.end()) return &found->second;
    const auto link = links_.find(path);
    if (link == links_.end()) return nullptr;
    path = link->second;
  }
  return nullptr;
}

bool ArchiveBlobs::has(const std::string& path) {
  return follow(clean_path(path)) != nullptr;
}

Result<FileRange> ArchiveBlobs::open(const std::string& path) {
  const FileRange* found = follow(clean_path(path));
  if (found == nullptr) return Error{path, "is not in the archive", "the image is not whole: fetch it again"};
  return *found;
}

}  // namespace sandstone::image
