#include "image/process/work.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/fd.h"
#include "image/config.h"
#include "image/process/blobs.h"
#include "image/process/container.h"
#include "image/process/folder.h"
#include "image/process/layers.h"
#include "image/process/writer.h"

namespace sandstone::image {
namespace {

// How much a source may unpack to. Layers may replace each other's files, so it is more than what is left at
// the end; and tar has 512 bytes to each entry.
uint64_t most_unpacked(const ImageRequest& request) {
  constexpr uint64_t kUnasked = 64ULL << 30;
  constexpr uint64_t kLeast = 64ULL << 20;
  const bool import = request.task == Task::import_folder || request.task == Task::import_archive;
  if (!request.size) return kUnasked;
  const uint64_t factor = import ? 8 : 2;
  return std::max(kLeast, std::min(*request.size, UINT64_MAX / factor) * factor);
}

// Fills in the place of an Error that has none, and puts the source before it.
Error in_source(const ImageRequest& request, Error error) {
  if (error.where.starts_with("--")) return error;
  if (error.where.empty())
    error.where = request.source;
  else if (!error.where.starts_with(request.source))
    error.where = fmt::format("{}: {}", request.source, error.where);
  return error;
}

Result<FileRange> source_range() {
  struct stat status{};
  if (::fstat(kSource, &status) != 0) return system_error({}, "cannot look at it", errno);
  return FileRange{kSource, 0, static_cast<uint64_t>(status.st_size)};
}

Result<void> append_config(const ImageConfig& config, uint64_t offset) {
  auto area = config_area(config);
  if (!area) return area.error();
  if (::pwrite(kOutput, area->data(), area->size(), static_cast<off_t>(offset)) !=
          static_cast<ssize_t>(area->size()) ||
      ::fsync(kOutput) != 0)
    return system_error({}, "cannot write the image", errno);
  return {};
}

Result<ImageSummary> write(Content& content, const ImageRequest& request,
                           const std::optional<ImageConfig>& config) {
  Tree tree;
  if (auto scanned = content.scan(tree); !scanned) return scanned.error();
  auto plan = Plan::make(tree);
  if (!plan) return plan.error();
  auto shape = Shape::of(*plan, request.size);
  if (!shape) return shape.error();
  auto ext4 = Ext4::create(kOutput, *shape);
  if (!ext4) return ext4.error();
  Writer writer(tree, *plan, **ext4);
  if (auto written = writer.write_tree(); !written) return written.error();
  if (auto copied = content.copy(writer); !copied) return copied.error();
  auto used = (*ext4)->finish();
  if (!used) return used.error();
  ImageSummary summary{shape->bytes, *used, plan->items.size(), config};
  if (config) {
    if (auto appended = append_config(*config, shape->bytes); !appended) return appended.error();
    summary.bytes += kConfigArea;
  }
  return summary;
}

Result<ImageSummary> build(const ImageRequest& request) {
  const Owners owners{request.owner, request.caller_uid, request.caller_gid};
  if (request.is_folder()) {
    Folder folder(kSource, request.source, owners);
    return write(folder, request, {});
  }
  auto range = source_range();
  if (!range) return range.error();
  Layers layers({Layer{request.source, *range, {}, {}}}, {false, most_unpacked(request), owners});
  return write(layers, request, {});
}

Result<ImageSummary> import(const ImageRequest& request) {
  auto platform = Platform::parse(request.platform);
  if (!platform) return platform.error();
  std::unique_ptr<Blobs> blobs;
  if (request.is_folder()) {
    blobs = std::make_unique<FolderBlobs>(kSource);
  } else {
    auto range = source_range();
    if (!range) return range.error();
    auto archive = ArchiveBlobs::open_archive(*range, kScratch, most_unpacked(request));
    if (!archive) return archive.error();
    blobs = std::move(*archive);
  }
  auto container = read_container(*blobs, {request.name, *platform});
  if (!container) return container.error();
  Layers layers(std::move(container->layers), {true, most_unpacked(request), {}});
  return write(layers, request, container->config);
}

}  // namespace

Result<ImageSummary> carry_out(const ImageRequest& request) {
  const bool is_build = request.task == Task::build_folder || request.task == Task::build_archive;
  auto done = is_build ? build(request) : import(request);
  if (!done) return in_source(request, done.error());
  return done;
}

}  // namespace sandstone::image
