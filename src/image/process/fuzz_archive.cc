// Whatever bytes an archive has, they end in an image or in an Error. The first byte chooses what the rest is
// taken for: a plain archive, one with whiteouts upon another, or a container image.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "base/fd.h"
#include "image/process/container.h"
#include "image/process/writer.h"

namespace {

using namespace sandstone;
using namespace sandstone::image;

constexpr uint64_t kMost = 4 << 20;

Fd memory_file(const uint8_t* data, size_t size) {
  Fd file(::memfd_create("fuzz", MFD_CLOEXEC));
  if (::write(file.get(), data, size) != static_cast<ssize_t>(size)) std::abort();
  return file;
}

Result<void> make(Content& content) {
  Tree tree({.names = 10'000, .text = 1 << 20});
  if (auto scanned = content.scan(tree); !scanned) return scanned;
  auto plan = Plan::make(tree);
  if (!plan) return plan.error();
  auto shape = Shape::of(*plan, 8 << 20);
  if (!shape) return shape.error();
  const Fd output(::memfd_create("image", MFD_CLOEXEC));
  auto ext4 = Ext4::create(output.get(), *shape);
  if (!ext4) return ext4.error();
  Writer writer(tree, *plan, **ext4);
  if (auto written = writer.write_tree(); !written) return written;
  if (auto copied = content.copy(writer); !copied) return copied;
  auto used = (*ext4)->finish();
  return used ? Result<void>() : used.error();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t kind = data[0] % 3;
  const Fd file = memory_file(data + 1, size - 1);
  const FileRange range{file.get(), 0, size - 1};
  if (kind < 2) {
    std::vector<Layer> list{{"archive", range, {}, {}}};
    if (kind == 1) list.push_back(list[0]);
    Layers layers(std::move(list), {kind == 1, kMost, {}});
    (void)make(layers).ok();
    return 0;
  }
  const Fd scratch(::memfd_create("scratch", MFD_CLOEXEC));
  auto blobs = ArchiveBlobs::open_archive(range, scratch.get(), kMost);
  if (!blobs) return 0;
  auto container = read_container(**blobs, {{}, {"linux", "amd64", {}}});
  if (!container) return 0;
  Layers layers(std::move(container->layers), {true, kMost, {}});
  (void)make(layers).ok();
  return 0;
}
